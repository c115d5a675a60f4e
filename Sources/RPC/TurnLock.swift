internal import Glibc
internal import Synchronization

/// Says whose turn it is to use what belongs to an ``EventLoop``: its own worker's, or a visitor's
/// between two of the worker's turns.
///
/// Held for microseconds. (`Mutex` inherits priorities on Linux: each vain attempt at it, and the end
/// of every wait, enter the kernel.)
final class TurnLock: @unchecked Sendable {
    // Unchecked: the mutex is made to be shared.

    /// How often to let others run before waiting in the kernel: who holds the lock may have been
    /// interrupted, on this processor, by the peer that it has just answered.
    private static let yieldsMax = 64

    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    /// The thread that holds the lock; 0 if none does.
    private let holder = Atomic<pthread_t>(0)

    init() {
        mutex = .allocate(capacity: 1)
        pthread_mutex_init(mutex, nil)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    func lock() {
        var yields = 0
        while !tryLock() {
            if yields == Self.yieldsMax {
                pthread_mutex_lock(mutex)
                holder.store(pthread_self(), ordering: .relaxed)
                return
            }
            yields += 1
            sched_yield()
        }
    }

    func tryLock() -> Bool {
        guard pthread_mutex_trylock(mutex) == 0 else { return false }
        holder.store(pthread_self(), ordering: .relaxed)
        return true
    }

    func unlock() {
        holder.store(0, ordering: .relaxed)
        pthread_mutex_unlock(mutex)
    }

    /// Ends the program if the caller's thread does not hold the lock.
    func preconditionHeld() {
        precondition(holder.load(ordering: .relaxed) == pthread_self(), "not in the loop's turn")
    }
}
