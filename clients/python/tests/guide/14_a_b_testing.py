# Track feedback by experiment variant
from feedbackd import create_mongodb_session_manager

# Add experiment info to metadata
session_manager.update_metadata({
    "experiment": "prompt_v2",
    "variant": "B"
})

# Collect feedback
session_manager.add_feedback({
    "rating": "up",
    "comment": "Much better than before!"
})

# Analyze by variant
# Query MongoDB: db.sessions.find({"metadata.variant": "B", "feedbacks.rating": "up"})
