"""The demo: another program holds the port, and the server starts anyway. Fails if any step does not happen."""

import http.client
import re
import subprocess
import sys


def health(port):
    """The status and body that /api/health answers with."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/api/health")
    response = connection.getresponse()
    return response.status, response.read().decode().strip()


def main(server):
    stranger = subprocess.Popen(
        [sys.executable, "-u", "-m", "http.server", "--bind", "127.0.0.1", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    ours = None
    try:
        port = int(re.search(r"port (\d+)", stranger.stdout.readline()).group(1))
        print(f"1. Another program holds 127.0.0.1:{port}: python3 -m http.server (pid {stranger.pid}).")
        status, _ = health(port)
        assert status == 404, "the stranger must not know /api/health"

        plain = subprocess.run([server, "plain", str(port)], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert plain.returncode == 1 and "in use" in plain.stdout, plain
        print(f'2. Our server alone cannot start: "{plain.stdout.strip()}".')

        print("3. The same server through RetryOnAddrInUse says:")
        ours = subprocess.Popen(
            [server, "retry", str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert ours.stdout.readline() == "listening\n", ours.stderr.read()
        status, body = health(port)
        assert (status, body) == (200, '{"status":"ok"}'), (status, body)
        assert stranger.wait(10) is not None
        ours.stdin.close()
        assert ours.wait(10) == 0
        log = ours.stderr.read()
        assert f"(pid {stranger.pid}) exited after" in log, log
        for line in log.splitlines():
            print(f"      {line}")
        print(f"4. GET http://127.0.0.1:{port}/api/health answers {status}: {body}")
        print("   The other process exited, the server is up. No lsof, no kill.")
    finally:
        for process in (stranger, ours):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()


if __name__ == "__main__":
    main(sys.argv[1])
