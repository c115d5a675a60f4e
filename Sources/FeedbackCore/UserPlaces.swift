/// The numbers of writes that wait, by the users whose processes have sent them.
///
/// Few users write at once, so that a list is as fast as a table. Calls from within the process are
/// not counted.
@usableFromInline
struct UserPlaces: Sendable {
    @usableFromInline var users: [(uid: UInt32, count: Int)] = []

    @inlinable
    init() {}

    /// Returns the number of a user's writes.
    @inlinable
    func count(of uid: UInt32) -> Int {
        for user in users where user.uid == uid { return user.count }
        return 0
    }

    /// Counts a write that begins to wait.
    @inlinable
    mutating func add(_ uid: UInt32) {
        for index in users.indices where users[index].uid == uid {
            users[index].count += 1
            return
        }
        users.append((uid, 1))
    }

    /// Counts a write that waits no longer.
    @inlinable
    mutating func remove(_ uid: UInt32) {
        for index in users.indices where users[index].uid == uid {
            users[index].count -= 1
            if users[index].count == 0 { users.remove(at: index) }
            return
        }
    }
}
