package imta

import (
	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// Adapter is the MTA of the Sun, iPlanet and Oracle Messaging Server.
var Adapter = adapter.Adapter{
	Name:       "imta",
	Detect:     detect,
	At:         at,
	Parser:     newParser,
	Count:      count,
	List:       list,
	ReadList:   readList,
	Roles:      roles,
	Conditions: conditions,
	Own:        own,
	Heads:      []mta.Role{mta.RoleDispatcher, mta.RoleJobController},
}
