internal import FeedbackModel

/// Work of several callers, of which each in turn has one piece begun.
///
/// A caller is a process. What has all the places would delay all others, so that each process leaves
/// some; the calls from within this process, which count as one caller, may have all. The queue does
/// no work itself.
struct TurnQueue<Work> {
    /// The work of one caller.
    private struct Line {
        /// The work in the order of arrival; the first `taken` pieces have been taken.
        var work: [Work] = []
        var taken = 0
        var runningCount = 0

        var waitingCount: Int { work.count - taken }

        mutating func takeFirst() -> Work {
            defer {
                if taken == work.count {
                    work = []
                    taken = 0
                }
            }
            taken += 1
            return work[taken - 1]
        }
    }

    private let runningMax: Int
    private let lengthMax: Int
    /// The callers with work, by their processes.
    private var lines: [PeerCredentials?: Line] = [:]
    /// The callers whose work waits, in the order of their turns.
    private var order: [PeerCredentials?] = []
    private var runningCount = 0
    private(set) var waitingCount = 0

    /// Makes an empty queue.
    ///
    /// - Parameters:
    ///   - runningMax: the maximum number of pieces of work that run at once, at least 1.
    ///   - lengthMax: the maximum number of pieces that run or wait.
    init(runningMax: Int, lengthMax: Int) {
        self.runningMax = runningMax
        self.lengthMax = lengthMax
    }

    /// Returns the maximum number of pieces that run at once for a caller.
    private func runningMax(of caller: PeerCredentials?) -> Int {
        caller == nil ? runningMax : max(1, runningMax - 1)
    }

    /// Returns the maximum number of pieces that run and wait for a caller.
    private func lengthMax(of caller: PeerCredentials?) -> Int {
        caller == nil ? lengthMax : lengthMax - lengthMax / 8
    }

    /// True if nothing runs or waits.
    var isIdle: Bool { runningCount + waitingCount == 0 }

    /// Adds work behind that of its caller.
    ///
    /// - Returns: RESOURCE_EXHAUSTED, without adding it, if there is too much; else nil.
    mutating func add(_ work: Work, of caller: PeerCredentials?) -> CallError? {
        guard runningCount + waitingCount < lengthMax else {
            return CallError(.resourceExhausted, "the read queue is full (\(lengthMax) reads)")
        }
        var line = lines.removeValue(forKey: caller) ?? Line()
        defer { lines[caller] = line }
        let lengthMax = lengthMax(of: caller)
        guard line.runningCount + line.waitingCount < lengthMax else {
            return CallError(
                .resourceExhausted,
                "the caller's part of the read queue is full (\(lengthMax) reads)"
            )
        }
        if line.waitingCount == 0 { order.append(caller) }
        line.work.append(work)
        waitingCount += 1
        return nil
    }

    /// Takes the work that may begin now, and whose end must be reported; nil if there is none.
    mutating func next() -> Work? {
        guard runningCount < runningMax else { return nil }
        let position = order.firstIndex { caller in
            lines[caller, default: Line()].runningCount < runningMax(of: caller)
        }
        guard let position else { return nil }
        let caller = order.remove(at: position)
        var line = lines.removeValue(forKey: caller) ?? Line()
        let work = line.takeFirst()
        line.runningCount += 1
        if line.waitingCount > 0 { order.append(caller) }
        lines[caller] = line
        waitingCount -= 1
        runningCount += 1
        return work
    }

    /// Records the end of work that was taken.
    mutating func ended(of caller: PeerCredentials?) {
        runningCount -= 1
        guard var line = lines.removeValue(forKey: caller) else { return }
        line.runningCount -= 1
        if line.runningCount + line.waitingCount > 0 { lines[caller] = line }
    }
}
