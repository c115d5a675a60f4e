session_manager.add_feedback({
    "rating": "up",
    "comment": "The code example was perfect and solved my problem immediately!"
})

# Stored as:
# {
#     "rating": "up",
#     "comment": "The code example was perfect...",
#     "created_at": ISODate("2024-01-22T15:00:00Z")  # Auto-added
# }
