# Good - immediate notification
if feedback.get("rating") == "down":
    send_alert_to_support_team(session_id, feedback)

# Bad - ignore negative feedback
# No alerts or monitoring
