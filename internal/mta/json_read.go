package mta

import (
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// eventJSON has the members that AppendJSON writes.
type eventJSON struct {
	Time       time.Time `json:"time"`
	Instance   string    `json:"instance"`
	Program    string    `json:"program"`
	PID        int32     `json:"pid"`
	Kind       Kind      `json:"kind"`
	QueueID    string    `json:"queue_id"`
	RefID      string    `json:"ref_id"`
	MessageID  string    `json:"message_id"`
	From       string    `json:"from"`
	NullSender bool      `json:"null_sender"`
	To         string    `json:"to"`
	OrigTo     string    `json:"orig_to"`
	Client     peerJSON  `json:"client"`
	Relay      peerJSON  `json:"relay"`
	Status     Status    `json:"status"`
	Cause      Cause     `json:"cause"`
	Stage      Stage     `json:"stage"`
	DSN        string    `json:"dsn"`
	Code       int16     `json:"code"`
	Reply      string    `json:"reply"`
	Delay      *float64  `json:"delay"`
	Delays     []float64 `json:"delays"`
	Size       int64     `json:"size"`
	Recipients int32     `json:"recipients"`
	Reason     string    `json:"reason"`
	SASLMethod string    `json:"sasl_method"`
	SASLUser   string    `json:"sasl_user"`
	TLS        tlsJSON   `json:"tls"`
	Daemon     Role      `json:"daemon"`
	Action     Action    `json:"action"`
	Severity   Severity  `json:"severity"`
	Text       string    `json:"text"`
}

type peerJSON struct {
	Name string `json:"name"`
	IP   string `json:"ip"`
	Port uint16 `json:"port"`
	HELO string `json:"helo"`
	Path string `json:"path"`
}

type tlsJSON struct {
	Version   string `json:"version"`
	Cipher    string `json:"cipher"`
	Bits      int16  `json:"bits"`
	Trust     string `json:"trust"`
	Direction string `json:"direction"`
}

func (j tlsJSON) tls() TLS {
	return TLS{Version: j.Version, Cipher: j.Cipher, Bits: j.Bits, Trust: j.Trust, Direction: j.Direction}
}

// UnmarshalJSON reads what AppendJSON writes. A delivery that gives neither a
// delay nor delays other than zero is read as one without HasDelay.
func (e *Event) UnmarshalJSON(b []byte) error {
	var j eventJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return fmt.Errorf("read event: %w", err)
	}
	if len(j.Delays) > len(e.Delays) {
		return fmt.Errorf("read event: %d delays, at most %d", len(j.Delays), len(e.Delays))
	}
	*e = Event{
		Time: j.Time, Instance: j.Instance, Program: j.Program, PID: j.PID, Kind: j.Kind, Status: j.Status,
		Cause: j.Cause, Stage: j.Stage, Severity: j.Severity, Action: j.Action, QueueID: j.QueueID, RefID: j.RefID,
		MessageID: j.MessageID, From: j.From, NullSender: j.NullSender, To: j.To, OrigTo: j.OrigTo,
		Client: Peer(j.Client), Relay: Peer(j.Relay), DSN: j.DSN, Code: j.Code, Reply: j.Reply,
		NumDelays: uint8(len(j.Delays)), Size: j.Size, Recipients: j.Recipients, Reason: j.Reason,
		SASLMethod: j.SASLMethod, SASLUser: j.SASLUser, TLS: j.TLS.tls(), Daemon: j.Daemon, Text: j.Text,
	}
	for i, s := range j.Delays {
		e.Delays[i] = seconds(s)
	}
	if j.Delay != nil {
		e.Delay = seconds(*j.Delay)
		e.HasDelay = j.Kind != KindDelivery || e.Delay != 0 || e.NumDelays > 0
	}
	return nil
}

// seconds gives the nearest duration, so that 0.1 is 100 ms and not 1 ns less.
func seconds(s float64) time.Duration { return time.Duration(math.Round(s * float64(time.Second))) }
