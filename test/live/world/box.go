//go:build linux

package world

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// The addresses of the world.
const (
	MTAAddress     = "10.77.0.1" // the mail server
	OutsideAddress = "10.77.0.2" // the resolver, and the way out to 10.77.1.0/24 and 10.77.2.0/23
)

// Box is the inside of a world.
type Box struct {
	Shared string // a directory seen inside and outside
	Dir    string // a tmpfs of the world's own, open to every user

	ext    *os.File // the outside's network namespace
	holder *exec.Cmd
	mu     sync.Mutex
	names  int
}

func newBox(shared string) (*Box, error) {
	os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	b := &Box{Shared: shared, Dir: filepath.Join(shared, "ns")}
	if err := b.mounts(); err != nil {
		return nil, fmt.Errorf("seal file system: %w", err)
	}
	if err := unix.Sethostname([]byte("mta.example.com")); err != nil {
		return nil, fmt.Errorf("set host name: %w", err)
	}
	if err := b.networks(); err != nil {
		return nil, fmt.Errorf("make networks: %w", err)
	}
	return b, nil
}

// mounts gives the world its own scratch space, /run, /var/log and /dev (so
// that no system log is reachable), resolver and hosts file.
func (b *Box) mounts() error {
	for _, m := range []struct{ dir, opt string }{{b.Dir, "mode=0755,size=70%"}, {"/run", "mode=0755"}, {"/var/log", "mode=0755"}} {
		if err := unix.Mount("tmpfs", m.dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, m.opt); err != nil {
			return fmt.Errorf("mount tmpfs on %s: %w", m.dir, err)
		}
	}
	if err := b.privateDev(); err != nil {
		return err
	}
	for name, text := range map[string]string{
		"/etc/resolv.conf": "nameserver " + OutsideAddress + "\noptions timeout:1 attempts:2\n",
		"/etc/hosts":       "127.0.0.1 localhost\n" + MTAAddress + " mta.example.com mta\n",
	} {
		own := filepath.Join(b.Dir, filepath.Base(name))
		if err := os.WriteFile(own, []byte(text), 0o644); err != nil {
			return err
		}
		target, err := filepath.EvalSymlinks(name)
		if errors.Is(err, os.ErrNotExist) {
			// A link into /run (systemd-resolved), which is empty now.
			target, err = os.Readlink(name)
			if err == nil && !filepath.IsAbs(target) {
				target = filepath.Join("/etc", target)
			}
			if err == nil {
				err = errors.Join(os.MkdirAll(filepath.Dir(target), 0o755), os.WriteFile(target, nil, 0o644))
			}
		}
		if err != nil {
			return err
		}
		if err := unix.Mount(own, target, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("bind %s: %w", name, err)
		}
	}
	return nil
}

func (b *Box) privateDev() error {
	dev := filepath.Join(b.Dir, "dev")
	if err := os.Mkdir(dev, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", dev, "tmpfs", unix.MS_NOSUID, "mode=0755"); err != nil {
		return fmt.Errorf("mount tmpfs on %s: %w", dev, err)
	}
	for _, n := range []string{"null", "zero", "full", "random", "urandom", "tty", "ptmx"} {
		if err := os.WriteFile(filepath.Join(dev, n), nil, 0o666); err != nil {
			return err
		}
		if err := unix.Mount("/dev/"+n, filepath.Join(dev, n), "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("bind /dev/%s: %w", n, err)
		}
	}
	for _, n := range []string{"pts", "shm"} {
		if err := os.Mkdir(filepath.Join(dev, n), 0o755); err != nil {
			return err
		}
		if err := unix.Mount("/dev/"+n, filepath.Join(dev, n), "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return fmt.Errorf("bind /dev/%s: %w", n, err)
		}
	}
	for n, to := range map[string]string{"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"} {
		if err := os.Symlink(to, filepath.Join(dev, n)); err != nil {
			return err
		}
	}
	return unix.Mount(dev, "/dev", "", unix.MS_BIND|unix.MS_REC, "")
}

// networks makes the outside's namespace and joins it with ours.
func (b *Box) networks() error {
	made := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			made <- fmt.Errorf("unshare: %w", err)
			return
		}
		f, err := os.Open("/proc/thread-self/ns/net")
		b.ext = f
		made <- err
	}()
	if err := <-made; err != nil {
		return err
	}
	b.holder = exec.Command("sleep", "infinity")
	if err := b.Outside(b.holder.Start); err != nil {
		return err
	}
	if err := script(`
		ip link set lo up
		ip link add vm0 type veth peer name ve0
		ip link set ve0 netns ` + fmt.Sprint(b.holder.Process.Pid) + `
		ip addr add ` + MTAAddress + `/24 dev vm0
		ip link set vm0 up
		ip route add default via ` + OutsideAddress); err != nil {
		return err
	}
	return b.Outside(func() error {
		return script(`
		ip link set lo up
		ip addr add ` + OutsideAddress + `/24 dev ve0
		ip link set ve0 up
		ip addr add 10.77.1.1/24 dev lo
		ip addr add 10.77.2.1/23 dev lo`) // on lo, the whole net is local
	})
}

// Outside runs f on a thread that lives in the outside's network: sockets
// and processes that f makes itself belong there for their whole life.
func (b *Box) Outside(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if err := unix.Setns(int(b.ext.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("enter the outside: %w", err)
			return
		}
		done <- f()
	}()
	return <-done
}

// TempDir makes a directory of the world's own that every user may enter.
func (b *Box) TempDir(name string) (string, error) {
	b.mu.Lock()
	b.names++
	dir := filepath.Join(b.Dir, fmt.Sprintf("%s-%d", name, b.names))
	b.mu.Unlock()
	return dir, os.Mkdir(dir, 0o755)
}

// script runs one command a line and stops at the first that fails.
func script(lines string) error {
	for line := range strings.Lines(lines) {
		if f := strings.Fields(line); len(f) > 0 {
			if err := run(f[0], f[1:]...); err != nil {
				return err
			}
		}
	}
	return nil
}

func run(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("run %s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// runInput runs a command with text on its standard input.
func runInput(text, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("run %s: %w: %s", name, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// service is a child process that is expected to live until it is stopped.
type service struct {
	name string
	cmd  *exec.Cmd
	done chan struct{}
}

func startService(cmd *exec.Cmd) (*service, error) {
	s := &service{name: filepath.Base(cmd.Path), cmd: cmd, done: make(chan struct{})}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", s.name, err)
	}
	go func() {
		_ = cmd.Wait()
		close(s.done)
	}()
	return s, nil
}

func (s *service) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	<-s.done
}
