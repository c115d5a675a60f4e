# Collect negative feedback for analysis
feedbacks = session_manager.get_feedbacks()
negative = [f for f in feedbacks if f.get("rating") == "down"]

for fb in negative:
    print(f"Issue: {fb['comment']}")
    # Use for prompt engineering, model tuning, etc.
