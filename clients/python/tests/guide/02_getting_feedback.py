# Get all feedbacks for a session
feedbacks = session_manager.get_feedbacks()

print(f"Total feedbacks: {len(feedbacks)}")

for feedback in feedbacks:
    print(f"Rating: {feedback['rating']}")
    print(f"Comment: {feedback['comment']}")
    print(f"Created: {feedback['created_at']}")
    print("---")
