package definition

import "fmt"

// SocketOwner looks up who a unix socket of the service belongs to: what its table says, else
// the service's user and group. -1 leaves what it has.
//
// It reads the user database, so it may block where that is on a network.
func (d *Definition) SocketOwner(s Socket) (uid, gid int, err error) {
	uid, gid = -1, -1
	if s.Network != "unix" {
		return uid, gid, nil
	}
	who, err := d.Credentials()
	if err != nil {
		return uid, gid, err
	}
	if who != nil {
		uid, gid = int(who.UID), int(who.GID)
	}
	if s.Owner != "" {
		a, err := lookUser(s.Owner)
		if err != nil {
			return uid, gid, fmt.Errorf("cannot make user %q the owner of %s: %w", s.Owner, s.Address, err)
		}
		uid = int(a.UID)
	}
	if s.Group != "" {
		id, err := lookGroup(s.Group)
		if err != nil {
			return uid, gid, fmt.Errorf("cannot make %q the group of %s: %w", s.Group, s.Address, err)
		}
		gid = int(id)
	}
	return uid, gid, nil
}
