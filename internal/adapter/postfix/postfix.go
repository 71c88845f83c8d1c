package postfix

import "github.com/mtawatch/mtawatch/internal/adapter"

// Adapter is Postfix.
var Adapter = adapter.Adapter{
	Name:     "postfix",
	Detect:   detect,
	Parser:   newParser,
	Count:    count,
	List:     list,
	ReadList: readList,
	Roles:    roles,
}
