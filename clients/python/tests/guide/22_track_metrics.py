# Good - collect analytics
analytics_hook = FeedbackAnalyticsHook()

# Bad - no metrics tracking
# Can't measure satisfaction or improvement
