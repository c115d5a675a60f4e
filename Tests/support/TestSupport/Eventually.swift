/// Returns true once the condition holds, false if it does not within the time.
///
/// For what another process or thread does at its own time and tells nobody.
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
