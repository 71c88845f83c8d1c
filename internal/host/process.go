package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// ticksPerSecond is USER_HZ, in which /proc counts time on every Linux
// architecture that Go runs on.
const ticksPerSecond = 100

// freshFor is how many readings the executable, arguments and directory of a
// process are kept before they are looked at again: a process may change its
// title or execute itself anew under its old name.
const freshFor = 30

// kernelThread is PF_KTHREAD of include/linux/sched.h: no executable, no
// arguments.
const kernelThread = 0x00200000

// A processReader lists processes. One /proc/PID/stat and one stat call is
// read of each process at every call; what rarely changes is kept by process
// and start time.
type processReader struct {
	dir   string // where /proc is
	proc  procfs.FS
	boot  time.Time
	known map[int]*knownProcess
	own   namespaces
	round int64
	buf   []byte
}

type knownProcess struct {
	start uint64 // ticks after boot
	name  string
	uid   int
	exe   string
	args  []string
	cwd   string
	alien bool // mta.Process.Foreign
	reads int  // since the details were read
	round int64
}

// Processes lists the processes of this machine, in the order of /proc. Exe
// and Cwd are empty where we may not read them, Args of a process that has
// none. The details of a known process are at most 30 calls old. A process
// that ends while it is read is left out. Start is the kernel's boot time, as
// first read, plus the process's start in steps of 10 ms: equal from call to
// call. Where the processes of others are hidden from us (process 1 is not to
// be seen) it fails with fs.ErrPermission, for a list without them would look
// like daemons that are down.
func (m *Machine) Processes(ctx context.Context) ([]mta.Process, error) {
	m.processLock.Lock()
	defer m.processLock.Unlock()
	list, err := m.processes.read(ctx, m.path("proc"))
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	return list, nil
}

// open finds out the boot time, once.
func (r *processReader) open(dir string) error {
	if r.known != nil {
		return nil
	}
	proc, err := procfs.NewFS(dir)
	if err != nil {
		return err
	}
	stat, err := proc.Stat()
	if err != nil {
		return err
	}
	if stat.BootTime == 0 {
		return fmt.Errorf("read %s/stat: no btime", dir)
	}
	r.dir, r.proc = dir, proc
	r.boot = time.Unix(int64(stat.BootTime), 0)
	r.own = readNamespaces(dir + "/self")
	r.buf = make([]byte, 4096)
	r.known = map[int]*knownProcess{}
	return nil
}

func (r *processReader) read(ctx context.Context, dir string) ([]mta.Process, error) {
	if err := r.open(dir); err != nil {
		return nil, err
	}
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	r.round++
	list := make([]mta.Process, 0, len(r.known)+64)
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || pid <= 0 {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		p, ok, err := r.one(int(d.Fd()), name, pid)
		if err != nil {
			return nil, err
		}
		if ok {
			list = append(list, p)
		}
	}
	for pid, k := range r.known {
		if k.round != r.round {
			delete(r.known, pid)
		}
	}
	if r.known[1] == nil {
		return nil, fmt.Errorf("%w: processes of other users are hidden: run as root, or in the group that the option gid= of the /proc mount names", fs.ErrPermission)
	}
	return list, nil
}

// one reads one process; false when it is gone.
func (r *processReader) one(dir int, name string, pid int) (p mta.Process, ok bool, err error) {
	n, err := r.readFile(dir, name+"/stat")
	if gone(err) {
		return p, false, nil
	}
	if err != nil {
		return p, false, fmt.Errorf("read /proc/%s/stat: %w", name, err)
	}
	st, ok := parseStat(r.buf[:n])
	if !ok {
		return p, false, fmt.Errorf("read /proc/%s/stat: not in the form of proc_pid_stat(5)", name)
	}
	var info unix.Stat_t
	if err := unix.Fstatat(dir, name, &info, 0); gone(err) {
		return p, false, nil
	} else if err != nil {
		return p, false, fmt.Errorf("read owner of /proc/%s: %w", name, err)
	}
	k := r.remember(dir, pid, st, int(info.Uid))
	return mta.Process{
		PID: pid, PPID: st.ppid, Name: k.name, Exe: k.exe, Args: k.args, Cwd: k.cwd, UID: k.uid,
		State:  stateName(st.state),
		Start:  r.startTime(st.start),
		CPU:    float64(st.cpu) / ticksPerSecond,
		Memory: st.rss * int64(os.Getpagesize()), Foreign: k.alien,
	}, true, nil
}

func (r *processReader) startTime(ticks uint64) time.Time {
	return r.boot.Add(time.Duration(ticks) * (time.Second / ticksPerSecond))
}

// remember gives what is kept of a process, with its details read anew when
// they may have changed. What cannot be read of them stays empty.
func (r *processReader) remember(dir, pid int, st procStat, uid int) *knownProcess {
	k := r.known[pid]
	if k == nil || k.start != st.start {
		k = &knownProcess{start: st.start}
		r.known[pid] = k
	}
	k.round = r.round
	changed := k.uid != uid || k.name != string(st.name)
	if changed {
		k.uid, k.name = uid, string(st.name)
	}
	k.reads++
	// The second reading looks again: the first may have met it between fork
	// and exec.
	if st.flags&kernelThread == 0 && (changed || k.reads == 2 || k.reads > freshFor) {
		if k.reads > freshFor {
			k.reads = 3
		} else if changed {
			k.reads = 1
		}
		r.details(dir, pid, k)
	}
	return k
}

func (r *processReader) details(dir, pid int, k *knownProcess) {
	if n, err := r.readFile(dir, strconv.Itoa(pid)+"/status"); err == nil {
		k.alien = nestedPID(r.buf[:n])
	}
	p, err := r.proc.Proc(pid)
	if err != nil {
		return
	}
	k.alien = k.alien || r.own.foreign(readNamespaces(r.dir+"/"+strconv.Itoa(pid)))
	k.exe, _ = p.Executable()
	k.args, _ = p.CmdLine()
	k.cwd, _ = p.Cwd()
}

// readFile reads a small file into the reader's buffer in one read.
func (r *processReader) readFile(dir int, name string) (int, error) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	for err == unix.EINTR {
		fd, err = unix.Openat(dir, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	n, err := unix.Read(fd, r.buf)
	for err == unix.EINTR {
		n, err = unix.Read(fd, r.buf)
	}
	return n, err
}

// gone says that a process ended (or is hidden from us by hidepid).
func gone(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES)
}

// procStat is what we use of /proc/PID/stat, see proc_pid_stat(5).
type procStat struct {
	name  []byte
	state byte
	ppid  int
	flags uint64
	cpu   uint64 // user and system, ticks
	start uint64 // ticks after boot
	rss   int64  // pages
}

// parseStat reads a /proc/PID/stat line. The name stands in parentheses and
// may hold any byte, so the last parenthesis ends it.
func parseStat(b []byte) (procStat, bool) {
	var s procStat
	l, r := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if l < 0 || r < l || r+3 >= len(b) {
		return s, false
	}
	s.name, s.state = b[l+1:r], b[r+2]
	b = b[r+3:]
	for field := 4; field <= 24; field++ {
		var n int64
		var ok bool
		if n, b, ok = statNumber(b); !ok {
			return s, false
		}
		switch field {
		case 4:
			s.ppid = int(n)
		case 9:
			s.flags = uint64(n)
		case 14, 15:
			s.cpu += uint64(n)
		case 22:
			s.start = uint64(n)
		case 24:
			s.rss = n
		}
	}
	return s, true
}

// statNumber reads one number after blanks. A value beyond int64 wraps, which
// happens to none of the fields that we use.
func statNumber(b []byte) (n int64, rest []byte, ok bool) {
	i := 0
	for i < len(b) && b[i] == ' ' {
		i++
	}
	minus := i < len(b) && b[i] == '-'
	if minus {
		i++
	}
	start := i
	for i < len(b) && b[i] >= '0' && b[i] <= '9' {
		n = n*10 + int64(b[i]-'0')
		i++
	}
	if minus {
		n = -n
	}
	return n, b[i:], i > start
}

// stateName gives a one-letter text without an allocation.
func stateName(c byte) string {
	const letters = "RSDTZtXxKWPI"
	if i := bytes.IndexByte([]byte(letters), c); i >= 0 {
		return letters[i : i+1]
	}
	return string(rune(c))
}
