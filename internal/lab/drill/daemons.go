package drill

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/mtawatch/mtawatch/internal/lab/stage"
	"github.com/mtawatch/mtawatch/internal/mta"
)

func daemonDrills() []Drill {
	return []Drill{
		{
			Expect: Expect{Name: "dispatcher-down", Codes: []mta.FindingCode{mta.FindingDispatcherDown}, Limit: atOnce},
			Text:   "the Dispatcher is killed: clients are refused", Quick: true,
			Begin: func(s *Scene) error { return killed(s, stage.Dispatcher) },
		},
		{
			Expect: Expect{Name: "job-controller-down", Codes: []mta.FindingCode{mta.FindingJobControllerDown}, Limit: atOnce},
			Text:   "the Job Controller is killed: mail comes in and stays", Quick: true,
			Begin: func(s *Scene) error { return killed(s, stage.JobController) },
		},
		{
			Expect: Expect{Name: "second-dispatcher", Codes: []mta.FindingCode{mta.FindingDaemonDuplicate}, Limit: soon},
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
