# Good - consistent structure
session_manager.add_feedback({
    "rating": "up",
    "comment": "Helpful response"
})

# Bad - inconsistent data
session_manager.add_feedback({
    "thumbs": True,  # Non-standard field
    "text": "good"   # Non-standard field
})
