from feedbackd import create_mongodb_session_manager

session_manager = create_mongodb_session_manager(
    session_id="user-123",
    connection_string="unix:/run/feedbackd/feedbackd.sock",
    database_name="chat_db"
)

# Positive feedback
session_manager.add_feedback({
    "rating": "up",
    "comment": "The response was very helpful!"
})

# Negative feedback
session_manager.add_feedback({
    "rating": "down",
    "comment": "The answer was incomplete"
})

# Neutral feedback (no rating)
session_manager.add_feedback({
    "rating": None,
    "comment": "Just saving this for later"
})

# Minimal feedback (rating only)
session_manager.add_feedback({
    "rating": "up",
    "comment": ""
})
