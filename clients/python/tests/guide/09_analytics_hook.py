import json
from datetime import datetime

class FeedbackAnalyticsHook:
    """Collect feedback analytics."""

    def __init__(self):
        self.metrics = {
            "total": 0,
            "positive": 0,
            "negative": 0,
            "neutral": 0,
            "avg_comment_length": 0
        }

    def __call__(self, original_func, action, session_id, **kwargs):
        feedback = kwargs["feedback"]

        # Update metrics
        self.metrics["total"] += 1

        rating = feedback.get("rating")
        if rating == "up":
            self.metrics["positive"] += 1
        elif rating == "down":
            self.metrics["negative"] += 1
        else:
            self.metrics["neutral"] += 1

        # Track comment length
        comment_length = len(feedback.get("comment", ""))
        current_avg = self.metrics["avg_comment_length"]
        total = self.metrics["total"]
        self.metrics["avg_comment_length"] = ((current_avg * (total - 1)) + comment_length) / total

        logger.info(f"[ANALYTICS] Metrics: {json.dumps(self.metrics, indent=2)}")

        return original_func(feedback)

    def get_metrics(self):
        """Get current metrics."""
        return self.metrics.copy()

# Use the hook
analytics_hook = FeedbackAnalyticsHook()
session_manager = MongoDBSessionManager(
    session_id="user-123",
    connection_string="unix:/run/feedbackd/feedbackd.sock",
    database_name="my_db",
    feedbackHook=analytics_hook
)

# Add multiple feedbacks
feedbacks = [
    {"rating": "up", "comment": "Excellent!"},
    {"rating": "down", "comment": "Could be better"},
    {"rating": "up", "comment": "Thanks!"}
]

for fb in feedbacks:
    session_manager.add_feedback(fb)

# Get metrics
metrics = analytics_hook.get_metrics()
print(f"Satisfaction rate: {metrics['positive'] / metrics['total'] * 100:.1f}%")
