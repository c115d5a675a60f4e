def create_combined_hook(*hooks):
    """Combine multiple hooks."""
    def combined_hook(original_func, action, session_id, **kwargs):
        current_func = original_func

        for hook in reversed(hooks):
            def make_wrapped(h, next_func):
                def wrapped(feedback):
                    return h(next_func, action, session_id, feedback=feedback)
                return wrapped
            current_func = make_wrapped(hook, current_func)

        return current_func(kwargs["feedback"])

    return combined_hook

# Combine validation, audit, and notification
combined = create_combined_hook(
    feedback_validation_hook,
    feedback_audit_hook,
    FeedbackNotificationHook()
)

session_manager = MongoDBSessionManager(
    session_id="user-123",
    connection_string="unix:/run/feedbackd/feedbackd.sock",
    database_name="my_db",
    feedbackHook=combined  # All three hooks active!
)

# Feedback goes through validation -> audit -> notification -> storage
session_manager.add_feedback({
    "rating": "down",
    "comment": "The response was unclear"
})
