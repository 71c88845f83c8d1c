package sample

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// ProcessesOrOwn is Processes, with the servers' own tools for the instances
// of which that cannot be told: where the processes of others are hidden from us,
// and where nothing shows whose they are. Such processes have ToldBy, and of
// what /proc hides only id, name and role. It may run commands: not at every
// tick. ask gives what an instance's tools say of its processes.
func ProcessesOrOwn(ctx context.Context, h adapter.Host, adapters []adapter.Adapter, instances []mta.Instance,
	ask func(*adapter.Adapter, mta.Instance) mta.OwnView) (map[string][]mta.RoleProcess, error) {
	byInstance, err := Processes(ctx, h, adapters, instances)
	if err != nil && !errors.Is(err, fs.ErrPermission) {
		return nil, err
	}
	if byInstance == nil {
		byInstance = make(map[string][]mta.RoleProcess)
	}
	var refused []string
	told := false
	for _, in := range instances {
		if _, known := byInstance[in.Name]; known {
			continue
		}
		a := adapterOf(adapters, in.MTA)
		if a == nil || a.Own == nil {
			continue
		}
		v := ask(a, in)
		if v.ProcessesUnknown != "" {
			refused = append(refused, in.Name+": "+v.ProcessesUnknown)
			continue
		}
		told = true
		byInstance[in.Name] = merge(ctx, h, in.Name, v)
	}
	if told || err == nil {
		return byInstance, nil
	}
	if len(refused) > 0 {
		err = fmt.Errorf("%w; %s", err, strings.Join(refused, "; "))
	}
	return nil, err
}

// merge gives the processes that a tool named, with what /proc shows of them.
func merge(ctx context.Context, h adapter.Host, instance string, v mta.OwnView) []mta.RoleProcess {
	shown := make(map[int]mta.Process)
	if all, err := h.Processes(ctx); err == nil { // else they are hidden, which is why the tool was asked
		for i := range all {
			shown[all[i].PID] = all[i]
		}
	}
	list := make([]mta.RoleProcess, 0, len(v.Processes))
	for _, o := range v.Processes {
		p, ok := shown[o.PID]
		if !ok {
			p = mta.Process{PID: o.PID, Name: o.Name, UID: -1}
		}
		list = append(list, mta.RoleProcess{Process: p, Role: o.Role, Instance: instance, ToldBy: v.ProcessesBy})
	}
	return list
}
