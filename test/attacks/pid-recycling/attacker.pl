# Gives the number of a process that is being hunted to an innocent one, at the worst moment that can be arranged. Runs
# in a pid namespace of its own as root, where the next number can be chosen (ns_last_pid). The first word of a line
# says what it is; the hunter answers each "look" with "seen" and ends each round with "end".
use strict;
use warnings;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);
use POSIX qw(:sys_wait_h);

$| = 1;
my $hunter = getppid();
my $pid    = 20_000;

sub at { sprintf "%.0f", clock_gettime(CLOCK_MONOTONIC) * 1e9 }

sub pause_us {
    my $until = clock_gettime(CLOCK_MONOTONIC) + $_[0] / 1e6;
    1 while clock_gettime(CLOCK_MONOTONIC) < $until;
}

# A child with just this number; undef when somebody else got it, three times.
sub fork_as {
    my ( $wanted, $act ) = @_;
    for ( 1 .. 3 ) {
        open my $last, '>', '/proc/sys/kernel/ns_last_pid' or die "ns_last_pid: $!";
        syswrite $last, $wanted - 1;
        close $last;
        my $child = fork() // die "fork: $!";
        if ( $child == 0 ) {
            POSIX::_exit(3) if $$ != $wanted;
            $act->();
            POSIX::_exit(0);
        }
        return $child if $child == $wanted;
        waitpid $child, 0;
    }
    return undef;
}

while (1) {
    $pid = 20_000 + ( $pid + 1 ) % 5_000;
    my $is_stubborn = rand() < 0.5;
    my $is_stalling = rand() < 0.5;

    # the service: what a child does on SIGTERM, and its command line, are inherited
    local $0 = 'celery worker';
    $SIG{TERM} = $is_stubborn ? 'IGNORE' : 'DEFAULT';
    my $service = fork_as( $pid, sub { sleep 60 } );
    $SIG{TERM} = 'DEFAULT';
    next unless defined $service;
    $0 = 'an innocent bystander';

    pipe my $gate, my $hold or die "pipe: $!";
    print "look $pid\n";
    last unless defined( my $seen = <STDIN> );

    pause_us( rand 6_000 );
    kill 'STOP', $hunter if $is_stalling;    # as if the machine were busy just now
    kill 'KILL', $service;
    waitpid $service, 0;
    my $bystander = fork_as(
        $pid,
        sub {
            close $hold;
            my $child = fork() // POSIX::_exit(4);
            sysread $gate, my $end, 1;
            return if $child == 0;
            waitpid $child, 0;
            POSIX::_exit(9) if $? != 0;
        }
    );
    my $born      = at();
    kill 'CONT', $hunter if $is_stalling;

    last unless defined( my $end = <STDIN> );
    close $hold;
    my $hurt = 0;
    if ( defined $bystander ) { waitpid $bystander, 0; $hurt = $? }    # its child's end is told in its own
    close $gate;
    printf "round %d %s %d\n", defined $bystander ? 1 : 0, $born, $hurt;
}
