internal import CLinux
internal import Glibc
internal import Synchronization

/// Numbers to which many threads add without contention: every processor has its own cache lines,
/// and reading adds them up.
final class ShardedCells: @unchecked Sendable {
    // Unchecked Sendable: the memory is allocated in init and freed in deinit; in between it holds
    // atomics only.

    /// The number of shards: a power of two, so that shards are shared beyond 16 processors.
    private static let shardCount: Int = {
        let processors = min(16, max(1, Int(sysconf(Int32(_SC_NPROCESSORS_CONF)))))
        var count = 1
        while count < processors { count *= 2 }
        return count
    }()
    private static let cacheLineBytes = 64

    private let cells: UnsafeMutablePointer<Atomic<UInt64>>
    private let shardMask: Int
    /// The distance between the cells of the same number in two shards.
    private let stride: Int

    /// Makes `count` numbers, all 0.
    init(_ count: Int) {
        let cellsPerLine = Self.cacheLineBytes / MemoryLayout<Atomic<UInt64>>.stride
        shardMask = Self.shardCount - 1
        stride = (count + cellsPerLine - 1) / cellsPerLine * cellsPerLine
        let all = stride * Self.shardCount
        cells = UnsafeMutableRawPointer.allocate(
            byteCount: all * MemoryLayout<Atomic<UInt64>>.stride,
            alignment: Self.cacheLineBytes
        ).bindMemory(to: Atomic<UInt64>.self, capacity: all)
        for index in 0..<all { (cells + index).initialize(to: Atomic(0)) }
    }

    deinit { cells.deallocate() }

    /// Adds to a number that is read with ``sum(_:)``.
    func add(_ amount: Int64, to index: Int) {
        let cell = place(index)
        cells[cell].wrappingAdd(UInt64(bitPattern: amount), ordering: .relaxed)
    }

    /// Adds to a number that is read with ``sumOfDoubles(_:)``.
    func addDouble(_ amount: Double, to index: Int) { addDouble(amount, at: place(index)) }

    /// Adds 1 to one number, and `amount` to another, which is read with ``sumOfDoubles(_:)``.
    func addOne(to index: Int, andDouble amount: Double, to other: Int) {
        let cell = place(index)
        cells[cell].wrappingAdd(1, ordering: .relaxed)
        addDouble(amount, at: cell - index + other)
    }

    private func addDouble(_ amount: Double, at cell: Int) {
        var bits = cells[cell].load(ordering: .relaxed)
        while true {
            let (isDone, found) = cells[cell].weakCompareExchange(
                expected: bits,
                desired: (Double(bitPattern: bits) + amount).bitPattern,
                ordering: .relaxed
            )
            if isDone { return }
            bits = found
        }
    }

    /// Sets a number; additions at the same time may be lost.
    func set(_ value: Double, at index: Int) {
        for shard in 1..<shardMask + 1 {
            cells[shard * stride + index].store(0, ordering: .relaxed)
        }
        cells[index].store(value.bitPattern, ordering: .relaxed)
    }

    func sum(_ index: Int) -> Int64 {
        (0...shardMask).reduce(0) { sum, shard in
            sum &+ Int64(bitPattern: cells[shard * stride + index].load(ordering: .relaxed))
        }
    }

    func sumOfDoubles(_ index: Int) -> Double {
        (0...shardMask).reduce(0) { sum, shard in
            sum + Double(bitPattern: cells[shard * stride + index].load(ordering: .relaxed))
        }
    }

    /// Returns the cell of the number in the shard of the current processor; the thread may move to
    /// another processor afterwards without harm.
    private func place(_ index: Int) -> Int { (Int(sched_getcpu()) & shardMask) * stride + index }
}
