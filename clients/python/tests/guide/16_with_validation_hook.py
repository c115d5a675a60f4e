from fastapi import FastAPI, HTTPException
from feedbackd import get_global_factory

app = FastAPI()

def feedback_validation_hook(original_func, action, session_id, **kwargs):
    """Validate feedback."""
    feedback = kwargs["feedback"]

    # Validate rating
    if feedback.get("rating") not in ["up", "down", None]:
        raise ValueError(f"Invalid rating: {feedback.get('rating')}")

    # Require comment for negative feedback
    if feedback.get("rating") == "down" and not feedback.get("comment", "").strip():
        raise ValueError("Please provide a comment with negative feedback")

    return original_func(feedback)

@app.post("/api/sessions/{session_id}/feedback")
async def add_feedback(session_id: str, feedback_data: FeedbackRequest):
    """Add validated feedback."""
    try:
        factory = get_global_factory()
        session_manager = factory.create_session_manager(
            session_id,
            feedbackHook=feedback_validation_hook  # Add validation
        )

        session_manager.add_feedback({
            "rating": feedback_data.rating,
            "comment": feedback_data.comment
        })

        return {"status": "success"}

    except ValueError as e:
        # Validation errors return 400
        raise HTTPException(status_code=400, detail=str(e))
    except Exception as e:
        # Other errors return 500
        raise HTTPException(status_code=500, detail=str(e))
