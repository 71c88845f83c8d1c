package mta

// Cause is why a delivery failed or a client was refused.
type Cause uint8

// The causes. Scope says whose fault each is.
const (
	CauseNone Cause = iota
	CauseDNSFailure
	CauseNoSuchDomain
	CauseConnectTimeout
	CauseConnectRefused
	CauseUnreachable
	CauseConnectionLost
	CauseReplyTimeout
	CauseTLSFailure
	CauseRemoteUnavailable
	CauseRateLimited
	CauseGreylisted
	CauseBlocked
	CauseAuthentication
	CauseContent
	CauseRelayDenied
	CauseUnknownUser
	CauseMailboxFull
	CauseMailboxDisabled
	CauseMailboxBusy
	CauseTooBig
	CauseLocalResource
	CauseSuspended
	CauseLoop
	CauseExpired
	CauseProtocolError
	CauseOther
	NumCauses
)

var causeNames = [NumCauses]string{"", "dns-failure", "no-such-domain", "connect-timeout", "connect-refused", "unreachable",
	"connection-lost", "reply-timeout", "tls-failure", "remote-unavailable", "rate-limited", "greylisted", "blocked",
	"authentication", "content", "relay-denied", "unknown-user", "mailbox-full", "mailbox-disabled", "mailbox-busy",
	"too-big", "local-resource", "suspended", "loop", "expired", "protocol-error", "other"}

// String gives the name used in JSON and labels.
func (c Cause) String() string { return nameOf(causeNames[:], uint8(c)) }

// MarshalText gives the name used in JSON.
func (c Cause) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads the name; an unknown one is an error.
func (c *Cause) UnmarshalText(b []byte) error {
	return fromName(causeNames[:], (*uint8)(c), "cause", b)
}

// Scope says whose fault a cause is.
type Scope uint8

// The scopes.
const (
	ScopeNone      Scope = iota
	ScopeUs              // this host, its resolver, its identity, its disk
	ScopePath            // the network between
	ScopeThem            // the receiving site
	ScopeRecipient       // this one address
	ScopeMessage         // this one message
	numScopes
)

var scopeNames = [numScopes]string{"", "us", "path", "them", "recipient", "message"}

// String gives the name used in JSON; "" for causes that name no one.
func (s Scope) String() string { return nameOf(scopeNames[:], uint8(s)) }

// MarshalText gives the name used in JSON.
func (s Scope) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the name; an unknown one is an error.
func (s *Scope) UnmarshalText(b []byte) error {
	return fromName(scopeNames[:], (*uint8)(s), "scope", b)
}

var causeScopes = [NumCauses]Scope{
	CauseDNSFailure:        ScopeUs,
	CauseNoSuchDomain:      ScopeRecipient,
	CauseConnectTimeout:    ScopePath,
	CauseConnectRefused:    ScopePath,
	CauseUnreachable:       ScopePath,
	CauseConnectionLost:    ScopePath,
	CauseReplyTimeout:      ScopePath,
	CauseTLSFailure:        ScopePath,
	CauseRemoteUnavailable: ScopeThem,
	CauseRateLimited:       ScopeThem,
	CauseGreylisted:        ScopeThem,
	CauseBlocked:           ScopeThem,
	CauseAuthentication:    ScopeUs,
	CauseContent:           ScopeMessage,
	CauseRelayDenied:       ScopeUs,
	CauseUnknownUser:       ScopeRecipient,
	CauseMailboxFull:       ScopeRecipient,
	CauseMailboxDisabled:   ScopeRecipient,
	CauseMailboxBusy:       ScopeRecipient,
	CauseTooBig:            ScopeMessage,
	CauseLocalResource:     ScopeUs,
}

// Scope says whose fault the cause is; ScopeNone for suspended, loop, expired,
// protocol-error and other, which name no one.
func (c Cause) Scope() Scope {
	if c < NumCauses {
		return causeScopes[c]
	}
	return ScopeNone
}

// Causes lists every cause but CauseNone, in the order of the vocabulary.
func Causes() []Cause {
	list := make([]Cause, 0, NumCauses-1)
	for c := CauseNone + 1; c < NumCauses; c++ {
		list = append(list, c)
	}
	return list
}
