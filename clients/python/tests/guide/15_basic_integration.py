from fastapi import FastAPI, HTTPException
from pydantic import BaseModel
from typing import Optional
from feedbackd import get_global_factory

app = FastAPI()

class FeedbackRequest(BaseModel):
    rating: Optional[str] = None
    comment: str = ""

@app.post("/api/sessions/{session_id}/feedback")
async def add_feedback(session_id: str, feedback_data: FeedbackRequest):
    """Add feedback to a session."""
    try:
        # Get session manager
        factory = get_global_factory()
        session_manager = factory.create_session_manager(session_id)

        # Add feedback
        session_manager.add_feedback({
            "rating": feedback_data.rating,
            "comment": feedback_data.comment
        })

        return {"status": "success", "message": "Feedback recorded"}

    except Exception as e:
        raise HTTPException(status_code=500, detail=str(e))

@app.get("/api/sessions/{session_id}/feedback")
async def get_feedback(session_id: str):
    """Get all feedback for a session."""
    try:
        factory = get_global_factory()
        session_manager = factory.create_session_manager(session_id)

        feedbacks = session_manager.get_feedbacks()

        return {
            "session_id": session_id,
            "feedbacks": feedbacks,
            "total": len(feedbacks)
        }

    except Exception as e:
        raise HTTPException(status_code=500, detail=str(e))
