# Good - prevent abuse
MAX_LENGTH = 1000
if len(feedback.get("comment", "")) > MAX_LENGTH:
    raise ValueError(f"Comment too long (max: {MAX_LENGTH})")

# Bad - no length limit
session_manager.add_feedback({
    "comment": "x" * 100000  # Too long!
})
