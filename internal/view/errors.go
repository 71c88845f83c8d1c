package view

import "errors"

// ErrQuestion says that the question itself cannot be answered: an instance
// that does not exist, a window too long. An error that wraps it is the
// asker's to mend; the HTTP API gives it status 400.
var ErrQuestion = errors.New("bad question")

// AdvisedError is an error with what the operator can do about it.
type AdvisedError struct {
	Err    error
	Advice string // one sentence, "" for none
}

// Error gives the error without the advice.
func (e *AdvisedError) Error() string { return e.Err.Error() }

// Unwrap gives the error.
func (e *AdvisedError) Unwrap() error { return e.Err }

// Advise joins err with advice; nil stays nil.
func Advise(err error, advice string) error {
	if err == nil {
		return nil
	}
	return &AdvisedError{Err: err, Advice: advice}
}

// AdviceOf gives the outermost advice that err carries, "" for none.
func AdviceOf(err error) string {
	for e := (*AdvisedError)(nil); errors.As(err, &e); err = e.Err {
		if e.Advice != "" {
			return e.Advice
		}
	}
	return ""
}
