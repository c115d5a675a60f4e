import logging
import json

logger = logging.getLogger(__name__)

def feedback_audit_hook(original_func, action, session_id, **kwargs):
    """Log all feedback operations."""
    feedback = kwargs["feedback"]

    logger.info(f"[FEEDBACK AUDIT] Session: {session_id}")
    logger.info(f"[FEEDBACK AUDIT] Rating: {feedback.get('rating')}")
    logger.info(f"[FEEDBACK AUDIT] Comment: {feedback.get('comment')}")

    # Store feedback
    result = original_func(feedback)

    logger.info(f"[FEEDBACK AUDIT] Saved successfully")
    return result

# Use the hook
from feedbackd import MongoDBSessionManager

session_manager = MongoDBSessionManager(
    session_id="user-123",
    connection_string="unix:/run/feedbackd/feedbackd.sock",
    database_name="my_db",
    feedbackHook=feedback_audit_hook  # All feedback logged
)

session_manager.add_feedback({
    "rating": "up",
    "comment": "Great!"
})
# Output:
# [FEEDBACK AUDIT] Session: user-123
# [FEEDBACK AUDIT] Rating: up
# [FEEDBACK AUDIT] Comment: Great!
# [FEEDBACK AUDIT] Saved successfully
