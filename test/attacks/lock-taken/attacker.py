"""Takes a lock again and again, for a moment each time, and notes when it was robbed of it: when the file that it holds
has no name any more, though it had one when the lock was taken. Argument: how. Ends with its input."""
import fcntl, os, random, select, struct, sys, time

HOW = sys.argv[1]


def take(fd):
    if HOW == "flock":
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    elif HOW == "posix":
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 1 << 30)
    elif HOW == "ofd":
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 0, 0))


print("ready", flush=True)
taken = 0
while not select.select([sys.stdin], [], [], 0)[0]:
    time.sleep(random.random() * 0.2)
    try:
        fd = os.open("a.lock", os.O_RDWR)
    except FileNotFoundError:
        continue
    try:
        take(fd)
        has_name = os.fstat(fd).st_nlink > 0
        since = time.monotonic_ns()
        if not has_name:
            continue  # came too late, and knows it
        taken += 1
        time.sleep(random.random() * 0.03)
        if os.fstat(fd).st_nlink == 0:
            print("robbed", since, flush=True)
    except OSError:
        pass  # another has it
    finally:
        os.close(fd)
print("taken", taken, flush=True)
