# Alert on negative feedback
def alert_hook(original_func, action, session_id, **kwargs):
    feedback = kwargs["feedback"]

    if feedback.get("rating") == "down":
        # Immediate notification
        send_slack_alert(f"Negative feedback: {feedback['comment']}")
        send_email_alert("support@example.com", feedback)

    return original_func(feedback)
