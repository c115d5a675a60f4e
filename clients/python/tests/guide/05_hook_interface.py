def feedback_hook(original_func, action, session_id, **kwargs):
    """
    Intercept feedback operations.

    Args:
        original_func: The original add_feedback method
        action: Always "add" for feedback
        session_id: Session identifier
        **kwargs: Contains "feedback" key with feedback object
    """
    # Your custom logic here

    # Call original function
    return original_func(kwargs["feedback"])
