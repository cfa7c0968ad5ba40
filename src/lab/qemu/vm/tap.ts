/** A tap interface on a bridge, in the network namespace of a process; it lives as long as whoever has it open. */
export interface Tap { networkOf: number; interface: string; bridge: string }

/** Stands in QEMU's arguments where the number of the open file comes. */
export const tapDescriptor = 'TAP_FD';

/**
 * Opens the tap (linux Documentation/networking/tuntap.rst: TUNSETIFF with IFF_TAP | IFF_NO_PI), puts it on its bridge, and goes
 * on as the command, back in the network namespace that it came from. Perl, because a shell has no ioctl, and Debian
 * always has it.
 */
const opener = [
  'my ($interface, $bridge, $home, @command) = @ARGV;',
  'open(my $tap, "+<", "/dev/net/tun") or die "/dev/net/tun: $!\\n";',
  'my $request = pack("a16 S x22", $interface, 0x0002 | 0x1000);',
  'ioctl($tap, 0x400454ca, $request) or die "TUNSETIFF $interface: $!\\n";',
  'system("ip", "link", "set", $interface, "master", $bridge, "up") == 0 or die "$interface is not on $bridge\\n";',
  // F_SETFD 0: it stays open through exec.
  'fcntl($tap, 2, 0) or die "fcntl: $!\\n";',
  'my $number = fileno($tap);',
  `s/${tapDescriptor}/$number/ for @command;`,
  'exec("nsenter", "--net=$home", "--", @command) or die "nsenter: $!\\n";',
].join(' ');

/** The command line that opens a tap in its network namespace and runs the command in the caller's, with the tap's number in its place. */
export function withTap(tap: Tap, command: readonly string[]): string[] {
  return ['nsenter', '--target', String(tap.networkOf), '--net', '--', 'perl', '-e', opener, tap.interface, tap.bridge, `/proc/${process.pid}/ns/net`, ...command];
}
