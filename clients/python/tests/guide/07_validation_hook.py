def feedback_validation_hook(original_func, action, session_id, **kwargs):
    """Validate feedback before saving."""
    feedback = kwargs["feedback"]

    # Validate rating
    valid_ratings = ["up", "down", None]
    if feedback.get("rating") not in valid_ratings:
        raise ValueError(f"Invalid rating: {feedback.get('rating')}")

    # Require comment for negative feedback
    if feedback.get("rating") == "down" and not feedback.get("comment", "").strip():
        raise ValueError("Please provide a comment with negative feedback")

    # Limit comment length
    comment = feedback.get("comment", "")
    if len(comment) > 1000:
        raise ValueError(f"Comment too long: {len(comment)} chars (max: 1000)")

    # Sanitize comment
    feedback["comment"] = comment.strip()

    # Add validation timestamp
    from datetime import datetime
    feedback["_validated_at"] = datetime.now().isoformat()

    return original_func(feedback)

# Use the hook
session_manager = MongoDBSessionManager(
    session_id="user-123",
    connection_string="unix:/run/feedbackd/feedbackd.sock",
    database_name="my_db",
    feedbackHook=feedback_validation_hook
)

# This will pass
session_manager.add_feedback({
    "rating": "down",
    "comment": "The response was incomplete"
})

# This will fail
try:
    session_manager.add_feedback({
        "rating": "down",
        "comment": ""  # Empty comment with negative rating
    })
except ValueError as e:
    print(f"Validation error: {e}")
