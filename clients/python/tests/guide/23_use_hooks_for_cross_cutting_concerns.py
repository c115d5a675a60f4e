# Good - separate concerns
session_manager = MongoDBSessionManager(
    feedbackHook=create_combined_hook(
        validation_hook,  # Data quality
        audit_hook,       # Compliance
        analytics_hook,   # Metrics
        notification_hook # Alerts
    )
)

# Bad - mixed concerns in application code
def add_feedback_manually(feedback):
    validate(feedback)  # Mixed in app code
    log_audit(feedback)
    track_metrics(feedback)
    send_notifications(feedback)
    session_manager.add_feedback(feedback)
