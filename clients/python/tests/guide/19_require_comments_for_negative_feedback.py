# Good - enforce meaningful feedback
if feedback.get("rating") == "down" and not feedback.get("comment"):
    raise ValueError("Comment required for negative feedback")

# Bad - allow empty negative feedback
session_manager.add_feedback({"rating": "down", "comment": ""})
