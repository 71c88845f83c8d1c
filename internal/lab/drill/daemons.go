package drill

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"syscall"
	"time"

	"github.com/mtawatch/mtawatch/internal/lab/stage"
	"github.com/mtawatch/mtawatch/internal/mta"
)

func daemonDrills() []Drill {
	return []Drill{
		{
			Expect: Expect{Name: "dispatcher-down", Codes: []mta.FindingCode{mta.FindingDispatcherDown}, Limit: AtOnce},
			Text:   "the Dispatcher is killed: clients are refused", Quick: true,
			Begin: func(s *Scene) error { return killed(s, stage.Dispatcher) },
		},
		{
			Expect: Expect{Name: "job-controller-down", Codes: []mta.FindingCode{mta.FindingJobControllerDown}, Limit: AtOnce},
			Text:   "the Job Controller is killed: mail comes in and stays", Quick: true,
			Begin: func(s *Scene) error { return killed(s, stage.JobController) },
		},
		{
			Expect: Expect{Name: "second-dispatcher", Codes: []mta.FindingCode{mta.FindingDaemonDuplicate}, Limit: Soon},
			Text:   "a second Dispatcher is started beside the first",
			Begin:  secondDispatcher,
		},
	}
}

// killed ends a daemon as a crash would, and has it started again at the end.
func killed(s *Scene, name string) error {
	p := s.Stage.Process(name)
	if p == nil {
		return errors.New(name + " was never started")
	}
	if err := p.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	s.Undo(func() error {
		<-p.Done()
		return s.Stage.Start(name)
	})
	return nil
}

// secondDispatcher starts another dispatcher of the same MTA, on a port that
// is free.
func secondDispatcher(s *Scene) error {
	port, held, err := stage.FreePort(s.Stage.Ports.SMTP + 1000)
	if err != nil {
		return err
	}
	s.Undo(held.Close)
	var out bytes.Buffer
	p, err := stage.StartChild(s.Stage.Command(&out, stage.Dispatcher, "-port", strconv.Itoa(port)))
	if err != nil {
		return err
	}
	s.Undo(func() error { return p.Stop(10 * time.Second) })
	t := time.NewTimer(500 * time.Millisecond)
	defer t.Stop()
	select {
	case <-p.Done():
		return fmt.Errorf("start a second dispatcher: it ended: %w: %s", p.Err(), bytes.TrimSpace(out.Bytes()))
	case <-t.C:
		return nil
	}
}
