package view_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/mtawatch/mtawatch/internal/view"
)

func TestAdvice(t *testing.T) {
	base := errors.New("read queue: refused")
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"none", base, ""},
		{"nil", nil, ""},
		{"advised", view.Advise(base, "start it"), "start it"},
		{"wrapped", fmt.Errorf("ask: %w", view.Advise(base, "start it")), "start it"},
		{"outermost wins", view.Advise(view.Advise(base, "inner"), "outer"), "outer"},
		{"empty falls through", view.Advise(view.Advise(base, "inner"), ""), "inner"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := view.AdviceOf(tt.err); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if tt.err != nil && !errors.Is(tt.err, base) {
				t.Errorf("%v does not wrap the base error", tt.err)
			}
		})
	}
	if view.Advise(nil, "x") != nil {
		t.Error("advice made an error of nil")
	}
}
