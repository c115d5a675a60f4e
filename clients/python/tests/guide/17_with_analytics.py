from fastapi import FastAPI
from feedbackd import get_global_factory

app = FastAPI()

# Global analytics hook
analytics_hook = FeedbackAnalyticsHook()

@app.post("/api/sessions/{session_id}/feedback")
async def add_feedback(session_id: str, feedback_data: FeedbackRequest):
    """Add feedback with analytics."""
    factory = get_global_factory()
    session_manager = factory.create_session_manager(
        session_id,
        feedbackHook=analytics_hook
    )

    session_manager.add_feedback({
        "rating": feedback_data.rating,
        "comment": feedback_data.comment
    })

    return {"status": "success"}

@app.get("/api/metrics/feedback")
async def get_feedback_metrics():
    """Get feedback analytics."""
    return analytics_hook.get_metrics()
