package drill

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mtawatch/mtawatch/internal/lab/stage"
)

// ApartArgs are the arguments by which the program does one drill in the
// namespaces that it finds itself in, as Apart reads it.
func ApartArgs() []string { return []string{"lab", "drill", "--apart"} }

// order is what a process in namespaces of its own is to do.
type order struct {
	Drill   string
	Options orderOptions
}

// orderOptions are the Options that travel.
type orderOptions struct {
	Binary, Dir, Keep    string
	Days                 int
	WarmUp, Settle, Most time.Duration
	Patience             float64
}

// result is what it gives back.
type result struct {
	Row   Row
	Error string
	Lacks string
}

// runApart does a drill in a process with a network and mounts of its own. An
// ordinary user gets them by a user namespace, where the machine permits that.
func runApart(ctx context.Context, d Drill, o Options) (Row, error) {
	text, err := json.Marshal(order{d.Name, orderOptions{Binary: o.Binary, Dir: o.Dir, Keep: o.Keep, Days: o.Days, WarmUp: o.WarmUp, Settle: o.Settle, Most: o.Most, Patience: o.Patience}})
	if err != nil {
		return Row{}, err
	}
	cmd := exec.Command(o.Binary, ApartArgs()...)
	var out bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(text), &out, &lines{say: o.Say}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
	if uid, gid := os.Geteuid(), os.Getegid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: 1}}
	}
	child, err := stage.StartChild(cmd)
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.EACCES) {
		return Row{}, Lacks("it needs network and mount namespaces of its own, which this user may not make: " + err.Error() + "; run it as root")
	}
	if err != nil {
		return Row{}, err
	}
	select {
	case <-child.Done():
	case <-ctx.Done():
		if err := child.Stop(time.Minute); err != nil {
			return Row{}, err
		}
		return Row{}, ctx.Err()
	}
	var r result
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		return Row{}, fmt.Errorf("do %s apart: %w", d.Name, errors.Join(err, child.Err()))
	}
	switch {
	case r.Lacks != "":
		return Row{}, Lacks(r.Lacks)
	case r.Error != "":
		return r.Row, errors.New(r.Error)
	}
	return r.Row, nil
}

// lines gives each line that is written to it to say.
type lines struct {
	say  func(format string, args ...any)
	rest string
}

func (l *lines) Write(p []byte) (int, error) {
	l.rest += string(p)
	for {
		line, rest, ok := strings.Cut(l.rest, "\n")
		if !ok {
			return len(p), nil
		}
		l.rest = rest
		if l.say != nil {
			l.say("%s", line)
		}
	}
}

// Apart does the drill that in names, in the namespaces of this process, and
// writes its row to out. What happens goes to say.
func Apart(ctx context.Context, in io.Reader, out io.Writer, say func(text string)) error {
	var w order
	if err := json.NewDecoder(in).Decode(&w); err != nil {
		return fmt.Errorf("read order: %w", err)
	}
	d, ok := Find(w.Drill)
	if !ok {
		return fmt.Errorf("there is no drill %q", w.Drill)
	}
	var r result
	x := w.Options
	if err := prepareApart(); err != nil {
		r.Lacks = "namespaces of its own are of no use here: " + err.Error()
	} else {
		row, err := Run(ctx, d, Options{Binary: x.Binary, Dir: x.Dir, Keep: x.Keep, Days: x.Days, WarmUp: x.WarmUp, Settle: x.Settle, Most: x.Most, Patience: x.Patience,
			Say: func(format string, args ...any) { say(fmt.Sprintf(format, args...)) }})
		var lacks Lacks
		r.Row = row
		switch {
		case errors.As(err, &lacks):
			r.Lacks = string(lacks)
		case err != nil:
			r.Error = err.Error()
		}
	}
	return json.NewEncoder(out).Encode(r)
}

// prepareApart brings the loopback up, gives the made-up senders of SYN
// packets a way that leads nowhere, and keeps mounts to ourselves.
func prepareApart() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("keep mounts apart: %w", err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr); err != nil {
		return fmt.Errorf("bring loopback up: %w", err)
	}
	if err := addRoute(netip.MustParsePrefix("198.51.100.0/24")); err != nil {
		return fmt.Errorf("add route: %w", err)
	}
	return nil
}

// addRoute sends a network's packets to the loopback, where no socket has them
// (rtnetlink(7)): an answer that is sent there is lost.
func addRoute(p netip.Prefix) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	const loopback = 1 // the index of lo in a new namespace
	b := make([]byte, unix.SizeofNlMsghdr+unix.SizeofRtMsg)
	binary.NativeEndian.PutUint16(b[4:], unix.RTM_NEWROUTE)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_CREATE|unix.NLM_F_ACK)
	r := b[unix.SizeofNlMsghdr:]
	r[0], r[1], r[4], r[5], r[6], r[7] = unix.AF_INET, byte(p.Bits()), unix.RT_TABLE_MAIN, unix.RTPROT_STATIC, unix.RT_SCOPE_LINK, unix.RTN_UNICAST
	attribute := func(kind uint16, value []byte) {
		b = binary.NativeEndian.AppendUint16(b, uint16(4+len(value)))
		b = binary.NativeEndian.AppendUint16(b, kind)
		b = append(b, value...)
	}
	a := p.Addr().As4()
	attribute(unix.RTA_DST, a[:])
	attribute(unix.RTA_OIF, binary.NativeEndian.AppendUint32(nil, loopback))
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	if err := unix.Sendto(fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	answer := make([]byte, 4096)
	n, _, err := unix.Recvfrom(fd, answer, 0)
	if err != nil {
		return err
	}
	if n < unix.SizeofNlMsghdr+4 {
		return errors.New("a short answer from the kernel")
	}
	if code := int32(binary.NativeEndian.Uint32(answer[unix.SizeofNlMsghdr:])); code != 0 {
		return syscall.Errno(-code)
	}
	return nil
}

// smallQueue gives the queue a file system of its own, of 32 MB.
func smallQueue(s *stage.Stage) error {
	if err := unix.Mount("tmpfs", s.Site.QueueDir(), "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0700,size=32m"); err != nil {
		return Lacks("a file system cannot be mounted: " + err.Error())
	}
	return nil
}

// fillQueueDisk leaves no block to the queue.
func fillQueueDisk(s *Scene) error { return s.Fill(filepath.Join(s.Stage.Site.QueueDir(), "filler")) }
