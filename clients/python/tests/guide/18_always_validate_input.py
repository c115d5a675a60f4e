# Good - validate rating values
def validate_feedback(original_func, action, session_id, **kwargs):
    feedback = kwargs["feedback"]

    if feedback.get("rating") not in ["up", "down", None]:
        raise ValueError("Invalid rating")

    return original_func(feedback)

# Bad - accept any input
session_manager.add_feedback({
    "rating": "maybe",  # Invalid!
    "comment": "Not sure"
})
