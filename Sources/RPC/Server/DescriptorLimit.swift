internal import CallStatus
internal import Glibc

/// The descriptors that the process may have open, and the connections for which they are enough.
struct DescriptorLimit {
    /// The soft limit of descriptors (getrlimit(2)).
    let descriptorsMax: Int
    /// The maximum number of connections that are served at once.
    let connectionsMax: Int
    /// The maximum number of connections that are held only until they have their refusal.
    let refusalsMax: Int

    /// Raises the soft limit as far as the connections need it and the hard limit allows, and
    /// divides what there is.
    ///
    /// The limit is not raised further: child processes inherit it, and some programs go through
    /// all descriptors that they might have.
    ///
    /// - Throws: FAILED_PRECONDITION if no descriptor is left for a connection.
    init(for limits: RPCLimits) throws {
        let open = Self.openCount
        let others = open + 2 * limits.refusalsMax + limits.descriptorsReserved
        let (wanted, overflow) = others.addingReportingOverflow(limits.connectionsMax)
        try self.init(
            descriptorsMax: Self.raise(to: overflow ? .max : wanted),
            open: open,
            limits
        )
    }

    /// Divides the descriptors, of which `open` are open already.
    init(descriptorsMax: Int, open: Int, _ limits: RPCLimits) throws {
        self.descriptorsMax = descriptorsMax
        refusalsMax = min(limits.refusalsMax, descriptorsMax / 16)
        // Those that had to make room for others may not be closed yet.
        let refused = 2 * refusalsMax
        let reserve = min(limits.descriptorsReserved, descriptorsMax / 4)
        connectionsMax = min(limits.connectionsMax, descriptorsMax - open - refused - reserve)
        guard connectionsMax > 0 else {
            throw CallError(
                .failedPrecondition,
                "the process may have \(descriptorsMax) open files, which leaves none for "
                    + "connections: raise the limit (ulimit -n)"
            )
        }
    }

    /// Returns the soft limit after it was raised.
    private static func raise(to wanted: Int) -> Int {
        let kind = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        guard getrlimit(kind, &limit) == 0 else { return wanted }
        let present = limit.rlim_cur
        if present < rlim_t(wanted) {
            limit.rlim_cur = min(rlim_t(wanted), limit.rlim_max)
            if setrlimit(kind, &limit) != 0 { limit.rlim_cur = present }
        }
        return Int(clamping: limit.rlim_cur)
    }

    /// The number of descriptors that are open now.
    private static var openCount: Int {
        guard let folder = opendir("/proc/self/fd") else { return 0 }
        defer { closedir(folder) }
        var count = 0
        while readdir(folder) != nil { count += 1 }
        // Two of the entries are `.` and `..`, and one is the folder's own descriptor.
        return max(0, count - 3)
    }
}
