internal import Dispatch
internal import ProtoCodec
internal import Synchronization

/// A serial queue on which some connections live, with the buffers that they share.
///
/// It is the task executor of their calls: a call that suspends comes back to its connection's
/// queue, and whatever came back while the queue was busy is run in one go. Output is written at the
/// end of each turn, so that the replies of a turn share a system call.
final class EventLoop: TaskExecutor, @unchecked Sendable {
    // Unchecked: `jobs` has its lock; everything else is used on `queue` only.

    private enum Job: Sendable {
        case task(UnownedJob)
        case work(@Sendable () -> Void)
    }

    /// How many bytes one read takes at most.
    private static let readBufferBytes = 64 * 1024

    let queue: DispatchQueue
    let readBuffer: UnsafeMutableRawBufferPointer
    /// For the message that is being decoded or encoded; no content outlives a function.
    let arena: ProtoArena
    private let jobs = Mutex<[Job]>([])
    private var channelsWithOutput: [Channel] = []

    init(label: String, limits: RPCLimits) {
        queue = DispatchQueue(label: label)
        readBuffer = .allocate(byteCount: Self.readBufferBytes, alignment: 16)
        arena = ProtoArena(bytesMax: limits.messageMemoryBytesMax)
    }

    deinit { readBuffer.deallocate() }

    func enqueue(_ job: consuming ExecutorJob) { add(.task(UnownedJob(job))) }

    /// Runs the work in a turn of its own or together with what else waits.
    func submit(_ work: @escaping @Sendable () -> Void) { add(.work(work)) }

    /// Runs the body on the queue, then writes what it left to write.
    func turn(_ body: () -> Void) {
        dispatchPrecondition(condition: .onQueue(queue))
        body()
        // Writing may close connections and so resume calls, but makes no further output here.
        while !channelsWithOutput.isEmpty {
            let channels = channelsWithOutput
            channelsWithOutput.removeAll(keepingCapacity: true)
            for channel in channels { channel.flush() }
        }
    }

    /// Has the channel's output written at the end of this turn.
    func flushLater(_ channel: Channel) { channelsWithOutput.append(channel) }

    private func add(_ job: Job) {
        let isFirst = jobs.withLock { jobs in
            jobs.append(job)
            return jobs.count == 1
        }
        if isFirst { queue.async { self.turn { self.runJobs() } } }
    }

    private func runJobs() {
        let waiting = jobs.withLock { jobs in
            defer { jobs = [] }
            return jobs
        }
        for job in waiting {
            switch job {
            case .task(let job): job.runSynchronously(on: asUnownedTaskExecutor())
            case .work(let work): work()
            }
        }
    }
}
