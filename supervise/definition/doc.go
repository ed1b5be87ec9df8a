// Package definition gives a service file its meaning: keys, presets, defaults and
// validation with positions.
//
// One table, [Keys], drives everything: which keys there are, how each is decoded, what
// its default is, which foreign names lead to it, whether a change of it can be taken live,
// and the reference page docs/service-files.md.
//
// Reading is strict. Whatever is not understood is an error, and every problem of a file
// comes at once, each with line, column, the source line, and what to write instead. A
// definition is never half good: [Parse] returns one only if the file has no error.
//
// A Definition is plain data that nobody changes after it was made, so it may be shared
// between goroutines. What depends on the moment of a start (environment files, user and
// group database) is read by [Definition.Environ] and [Definition.Credentials], anew at
// each start.
package definition
