{
    "rating": "up",                       # "up", "down", or None
    "comment": "Great response!",         # Optional text
    "created_at": "2024-01-22T15:00:00Z"  # Auto-added timestamp
}
