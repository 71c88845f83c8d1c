package stage

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// Child is a process that ends when this one does, even by SIGKILL.
type Child struct {
	Name string
	PID  int

	done chan struct{}
	err  error
}

// StartChild starts a command as a child in a process group of its own, so
// that Ctrl-C reaches only who ends it in order.
func StartChild(cmd *exec.Cmd) (*Child, error) {
	c := &Child{Name: filepath.Base(cmd.Path), done: make(chan struct{})}
	if len(cmd.Args) > 0 {
		c.Name = filepath.Base(cmd.Args[0])
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	cmd.SysProcAttr.Pdeathsig = syscall.SIGTERM
	started := make(chan error, 1)
	go func() {
		// The kernel sends Pdeathsig when the thread that started the child
		// ends, so that thread stays until the child has gone.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			started <- fmt.Errorf("start %s: %w", c.Name, err)
			return
		}
		c.PID = cmd.Process.Pid
		started <- nil
		c.err = cmd.Wait()
		close(c.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return c, nil
}

// Done is closed when the process has ended.
func (c *Child) Done() <-chan struct{} { return c.done }

// Ended reports whether the process has ended.
func (c *Child) Ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// Err gives how the process ended, nil for well; call it once it has.
func (c *Child) Err() error { return c.err }

// Signal sends a signal.
func (c *Child) Signal(sig syscall.Signal) error {
	if c.Ended() {
		return fmt.Errorf("signal %s: it does not run", c.Name)
	}
	return syscall.Kill(c.PID, sig)
}

// Kill ends the process at once and waits until it is gone.
func (c *Child) Kill() {
	_ = c.Signal(syscall.SIGKILL)
	<-c.done
}

// Stop ends the process politely, and asks again after half of the patience: a
// dispatcher waits no longer for its clients then. One that stays is killed,
// which is an error.
func (c *Child) Stop(patience time.Duration) error {
	if c.Ended() {
		return nil
	}
	for range 2 {
		_ = c.Signal(syscall.SIGTERM)
		_ = c.Signal(syscall.SIGCONT) // a stopped process would not hear it
		t := time.NewTimer(patience / 2)
		select {
		case <-c.done:
			t.Stop()
			return nil
		case <-t.C:
		}
	}
	c.Kill()
	return errors.New("stop " + c.Name + ": it did not end within " + patience.String() + " and was killed")
}
