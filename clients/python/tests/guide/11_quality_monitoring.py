# Track response quality
session_manager.add_feedback({
    "rating": "up",
    "comment": "The explanation was clear and comprehensive"
})

# Analyze satisfaction
feedbacks = session_manager.get_feedbacks()
positive = sum(1 for f in feedbacks if f.get("rating") == "up")
total = len(feedbacks)
satisfaction_rate = (positive / total * 100) if total > 0 else 0

print(f"Satisfaction: {satisfaction_rate:.1f}%")
