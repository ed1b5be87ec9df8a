package definition

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
)

// Credentials is who a service runs as.
type Credentials struct {
	UID, GID          uint32
	Groups            []uint32 // all supplementary groups, sorted
	Name, Home, Shell string   // from the user database; Name is the number and the others "" for a UID that is not in it
}

// Credentials looks User, Group and SupplementaryGroups up, anew each time. It returns nil if
// none of them is set, or if they are what gsv runs as already and it is not root, for then
// there is nothing to change, nor the right to. Errors name the service and who is missing.
//
// It reads the user database, so it may block where that is on a network.
func (d *Definition) Credentials() (*Credentials, error) {
	if d.User == "" && d.Group == "" && d.SupplementaryGroups == nil {
		return nil, nil
	}
	c, err := d.account()
	if err != nil {
		return nil, err
	}
	if d.Group != "" {
		if c.GID, err = d.group(d.Group); err != nil {
			return nil, err
		}
	} else if d.User != "" && c.noGroup {
		return nil, fmt.Errorf("cannot run %s as %q: the user database does not have it, so group must be set too", d.Name, d.User)
	}
	if d.SupplementaryGroups != nil {
		c.Groups = nil
		for _, name := range d.SupplementaryGroups {
			gid, err := d.group(name)
			if err != nil {
				return nil, err
			}
			c.Groups = append(c.Groups, gid)
		}
	} else if c.Groups, err = d.memberships(c); err != nil {
		return nil, err
	}
	slices.Sort(c.Groups)
	c.Groups = slices.Compact(c.Groups)
	if os.Geteuid() != 0 && int(c.UID) == os.Getuid() && int(c.GID) == os.Getgid() && d.SupplementaryGroups == nil {
		return nil, nil
	}
	return &c.Credentials, nil
}

// An account is a user as the database has it.
type account struct {
	Credentials
	noGroup bool // not in the database, so there is no primary group
}

// account looks User up, or gsv's own user.
func (d *Definition) account() (account, error) {
	if d.User == "" {
		return account{Credentials: Credentials{UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}}, nil
	}
	a, err := lookUser(d.User)
	if err != nil {
		return account{}, fmt.Errorf("cannot run %s as user %q: %w", d.Name, d.User, err)
	}
	return a, nil
}

// lookUser looks a user up by name or id.
func lookUser(name string) (account, error) {
	id, numErr := strconv.ParseUint(name, 10, 32)
	lookup := user.Lookup
	if numErr == nil {
		lookup = user.LookupId
	}
	u, err := lookup(name)
	var noID user.UnknownUserIdError
	var noName user.UnknownUserError
	switch {
	case errors.As(err, &noID):
		return account{Credentials: Credentials{UID: uint32(id), Name: name}, noGroup: true}, nil
	case errors.As(err, &noName):
		return account{}, errors.New("there is no such user")
	case err != nil:
		return account{}, err
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(err1, err2); err != nil {
		return account{}, fmt.Errorf("its entry in the user database is broken: %w", err)
	}
	return account{Credentials: Credentials{UID: uint32(uid), GID: uint32(gid),
		Name: u.Username, Home: u.HomeDir, Shell: shellOf(u.Username)}}, nil
}

// group looks up a group that the service is to run as.
func (d *Definition) group(name string) (uint32, error) {
	gid, err := lookGroup(name)
	if err != nil {
		return 0, fmt.Errorf("cannot run %s as group %q: %w", d.Name, name, err)
	}
	return gid, nil
}

// lookGroup looks a group up by name or id.
func lookGroup(name string) (uint32, error) {
	if id, err := strconv.ParseUint(name, 10, 32); err == nil {
		return uint32(id), nil
	}
	g, err := user.LookupGroup(name)
	var unknown user.UnknownGroupError
	switch {
	case errors.As(err, &unknown):
		return 0, errors.New("there is no such group")
	case err != nil:
		return 0, err
	}
	id, err := strconv.ParseUint(g.Gid, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("its entry in the group database is broken: %w", err)
	}
	return uint32(id), nil
}

// memberships are the groups that the group database gives the user: gsv's own without User.
func (d *Definition) memberships(a account) ([]uint32, error) {
	if d.User == "" {
		ids, err := os.Getgroups()
		if err != nil {
			return nil, fmt.Errorf("cannot run %s: %w", d.Name, err)
		}
		groups := make([]uint32, len(ids))
		for i, id := range ids {
			groups[i] = uint32(id)
		}
		return groups, nil
	}
	if a.noGroup {
		return []uint32{a.GID}, nil
	}
	u := user.User{Username: a.Name, Gid: strconv.FormatUint(uint64(a.GID), 10)}
	ids, err := u.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("cannot run %s as user %q: cannot read its groups: %w", d.Name, d.User, err)
	}
	var groups []uint32
	for _, s := range ids {
		if id, err := strconv.ParseUint(s, 10, 32); err == nil {
			groups = append(groups, uint32(id))
		}
	}
	return groups, nil
}

// shellOf reads a user's login shell, which os/user leaves out, from passwd(5); /bin/sh for
// users that come from elsewhere.
func shellOf(name string) string {
	f, err := os.Open("/etc/passwd")
	if err != nil {
		return "/bin/sh"
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if fields := strings.Split(lines.Text(), ":"); fields[0] == name && len(fields) == 7 && fields[6] != "" {
			return fields[6]
		}
	}
	return "/bin/sh"
}
