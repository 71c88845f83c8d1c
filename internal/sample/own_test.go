package sample

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// hidden is a machine that shows no processes of other users.
type hidden struct{ adapter.Host }

func (hidden) Processes(context.Context) ([]mta.Process, error) {
	return nil, fmt.Errorf("list processes: %w", fs.ErrPermission)
}

// Where the processes are hidden the server's own tool names them; where it
// refuses too, they stay unknown and both reasons are told.
func TestHiddenProcesses(t *testing.T) {
	adapters := []adapter.Adapter{{Name: "imta", Roles: func(mta.Instance, []mta.Process) []mta.Role { return nil },
		Own: func(context.Context, adapter.Host, mta.Instance, mta.OwnQuestion) mta.OwnView { return mta.OwnView{} }}, {Name: "postfix"}}
	instances := []mta.Instance{{MTA: "imta", Name: "imta"}, {MTA: "postfix", Name: "postfix"}}
	v := mta.OwnView{ProcessesBy: "`imsimta process`", Processes: []mta.OwnProcess{{PID: 7, Name: "dispatcher", Role: mta.RoleDispatcher}}}
	ask := func(*adapter.Adapter, mta.Instance) mta.OwnView { return v }
	got, err := ProcessesOrOwn(t.Context(), hidden{}, adapters, instances, ask)
	want := map[string][]mta.RoleProcess{"imta": {{Process: mta.Process{PID: 7, Name: "dispatcher", UID: -1}, Role: mta.RoleDispatcher, Instance: "imta", ToldBy: "`imsimta process`"}}}
	if diff := cmp.Diff(got, want); diff != "" || err != nil {
		t.Errorf("%v, -got +want:\n%s", err, diff)
	}
	v = mta.OwnView{ProcessesUnknown: "you must be root"}
	got, err = ProcessesOrOwn(t.Context(), hidden{}, adapters, instances, ask)
	if got != nil || err == nil || !strings.Contains(err.Error(), "permission denied; imta: you must be root") {
		t.Errorf("refused: %v, %v", got, err)
	}
}
