class FeedbackNotificationHook:
    """Send alerts for negative feedback."""

    def __init__(self):
        self.negative_count = {}

    def __call__(self, original_func, action, session_id, **kwargs):
        feedback = kwargs["feedback"]

        # Alert on negative feedback
        if feedback.get("rating") == "down":
            self.negative_count[session_id] = self.negative_count.get(session_id, 0) + 1

            # Log alert
            logger.warning(f"[ALERT] Negative feedback for session {session_id}")
            logger.warning(f"[ALERT] Count: {self.negative_count[session_id]}")
            logger.warning(f"[ALERT] Comment: {feedback.get('comment')}")

            # In production: send email, Slack notification, etc.
            self._send_alert(session_id, feedback)

        return original_func(feedback)

    def _send_alert(self, session_id, feedback):
        """Send notification to support team."""
        # Integrate with notification service
        # send_email(to="support@example.com", subject=f"Negative feedback: {session_id}", ...)
        # send_slack(channel="#support", message=f"Negative feedback: {feedback['comment']}")
        pass

# Use the hook
notification_hook = FeedbackNotificationHook()
session_manager = MongoDBSessionManager(
    session_id="user-123",
    connection_string="unix:/run/feedbackd/feedbackd.sock",
    database_name="my_db",
    feedbackHook=notification_hook
)

session_manager.add_feedback({
    "rating": "down",
    "comment": "The code had syntax errors"
})
# Output:
# [ALERT] Negative feedback for session user-123
# [ALERT] Count: 1
# [ALERT] Comment: The code had syntax errors
