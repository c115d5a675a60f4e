/// Returns true as soon as the condition is true, false if that does not happen within the timeout.
///
/// It is for events in other processes and threads that send no notification.
public func eventually(
    within timeout: Duration = .seconds(20),
    _ condition: () async throws -> Bool
) async rethrows -> Bool {
    let deadline = ContinuousClock.now + timeout
    while try await !condition() {
        if .now > deadline { return false }
        try? await Task.sleep(for: .milliseconds(5))
    }
    return true
}
