internal import CallStatus
internal import Dispatch
internal import Glibc
package import Logging

extension SocketFile {
    /// The interval between looks at the file.
    private static let watchInterval = DispatchTimeInterval.seconds(1)

    /// Looks every second whether the file is in its place, until ``remove()``, and makes it again
    /// if the place is free.
    ///
    /// - Parameters:
    ///   - logger: receives a line when the file is made again, and one when it cannot be.
    ///   - restored: gets the new listening descriptor, which it owns. Nobody can connect to the
    ///     former one any more.
    package func watch(_ logger: Logger, restored: @escaping @Sendable (Int32) -> Void) {
        let timer = DispatchSource.makeTimerSource(queue: DispatchQueue(label: "rpc.socket-file"))
        timer.schedule(
            deadline: .now() + Self.watchInterval,
            repeating: Self.watchInterval,
            leeway: .milliseconds(250)
        )
        // The reason why nobody reaches the server, as long as it is the same.
        var trouble: String?
        timer.setEventHandler { [weak self] in
            guard let self else { return }
            do {
                if let descriptor = try restore() {
                    logger.warning("the socket \(address) was gone and is made again")
                    restored(descriptor)
                }
                trouble = nil
            } catch {
                let reason = (error as? CallError)?.message ?? "\(error)"
                if reason != trouble { logger.warning("nobody reaches this server: \(reason)") }
                trouble = reason
            }
        }
        timer.activate()
        set(Watch(timer: timer))
    }
}
