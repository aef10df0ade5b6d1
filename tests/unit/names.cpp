// Programs that are known by name: each one is refused, and no ordinary server is.

#include <retry_on_addr_in_use.hpp>

#include "../catch.hpp"

#include <sstream>
#include <string>

using namespace addr_in_use;

namespace {

std::string advice(const std::string& name, const std::string& executable, const std::string& command_line = "",
                   bool has_terminal = false) {
    Holder holder;
    holder.pid = 0x7ffffff0; // of no process
    holder.name = name;
    holder.executable = executable;
    holder.command_line = command_line;
    holder.sockets = {Endpoint("127.0.0.1", 8080)};
    detail::ProcessInfo process;
    process.has_terminal = has_terminal;
    return detail::protected_program(holder, process);
}

std::string by_file(const std::string& file) { return advice("worker", "/opt/bin/" + file); }
std::string by_cut_name(const std::string& name) { return advice(name.substr(0, 15), "/opt/bin/worker"); }

std::string in_other_case(std::string text) {
    for (char& c : text) {
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) { c = static_cast<char>(c ^ ' '); }
    }
    return text;
}

struct Programs {
    const char* advice;
    const char* names; // separated by commas
};

// Those of the first edition, with a real name for each ending that it allowed.
constexpr Programs first_edition[] = {
    {"it forwards the port",
     "docker-proxy,dockerd,containerd-shim,containerd-shim-runc-v2,conmon,rootlesskit,rootlessport,rootlessport-child,"
     "com.docker.backend,OrbStack Helper,slirp4netns,pasta,pasta.avx2,passt,passt.avx2,gvproxy,vpnkit,vpnkit-bridge,"
     "firecracker,cloud-hypervisor,qemu-system-aarch64,qemu-system-x86_64,ssh,sshd,sshd-session,adb"},
    {"socket unit", "launchd,systemd,systemd-socket-proxyd,systemd-socket-activate,inetd,xinetd"},
    {"AirPlay", "ControlCenter"},
    {"a person works in it",
     // browsers
     "firefox,firefox-bin,firefox-esr,chrome,google-chrome,google-chrome-stable,chromium,chromium-browser,brave,"
     "brave-browser,brave-browser-nightly,opera,vivaldi,vivaldi-bin,vivaldi-stable,msedge,microsoft-edge,"
     "microsoft-edge-dev,Google Chrome,Google Chrome Helper,Safari,librewolf,konqueror,epiphany,"
     // editors
     "code,code-insiders,codium,cursor,Electron,idea,idea64,idea.sh,clion,clion.sh,pycharm,pycharm-community,qtcreator,"
     "vi,vim,vim.basic,vim.tiny,vim.gtk3,vimdiff,vimx,vim-nox11,nvim,gvim,emacs,emacs-gtk,emacs28,nano,gedit,kate,"
     "sublime_text,"
     // terminals
     "gnome-terminal,gnome-terminal-server,konsole,xterm,alacritty,kitty,wezterm,wezterm-gui,foot,tilix,xfce4-terminal,"
     "Terminal,iTerm2,tmux,tmux: server,tmux: client,screen,SCREEN,zellij,"
     // desktops
     "Xorg,X,Xwayland,Xvfb,gnome-shell,kwin_wayland,kwin_x11,sway,weston,Hyprland,plasmashell,dbus-daemon,dbus-broker,"
     "dbus-broker-launch"},
};

constexpr Programs second_edition[] = {
    {"it forwards the port", "limactl,kubectl,dropbear,mosh-server,autossh"},
    {"a person works in it",
     "electron,Code Helper (Plugin),Code Helper,Cursor Helper,Cursor Helper (Renderer),windsurf,zed,helix,geany,"
     "kdevelop,eclipse,rider64,webstorm64,Xcode,ghostty,ptyxis,kgx,mate-terminal,lxterminal,terminator,urxvt,Xtigervnc,"
     "Xvnc,xrdp,Xephyr,gwenview,mpv,soffice.bin,gimp-2.10,gimp-2.99,evince,rsession,R,jupyter-lab"},
    {"pm2 stop", "PM2 v7.0.4: God,PM2 v10.12.0: God Daemon"},
};

constexpr Programs windows_programs[] = {
    {"it forwards the port",
     "com.docker.backend.exe,vpnkit.exe,wslrelay.exe,wslhost.exe,wslservice.exe,vmcompute.exe,vmware-vmx.exe,"
     "VBoxHeadless.exe,VirtualBoxVM.exe,qemu-system-x86_64.exe,vmmem,vmmemWSL,ssh.exe,sshd.exe,adb.exe,kubectl.exe"},
    {"it hosts services of Windows", "svchost.exe,services.exe"},
    {"a person works in it",
     "Code.exe,Cursor.exe,rider64.exe,webstorm64.exe,idea64.exe,clion64.exe,pycharm64.exe,devenv.exe,windsurf.exe,"
     "eclipse.exe,sublime_text.exe,gvim.exe,emacs.exe,firefox.exe,chrome.exe,msedge.exe,msedgewebview2.exe,brave.exe,"
     "opera.exe,vivaldi.exe,soffice.bin,gimp-2.10.exe,mpv.exe,WindowsTerminal.exe,conhost.exe,OpenConsole.exe,"
     "alacritty.exe,wezterm-gui.exe,explorer.exe"},
};

template <class Advice, std::size_t size> void check_all(const Programs (&groups)[size], Advice advice_for) {
    for (const Programs& group : groups) {
        std::istringstream names(group.names);
        for (std::string name; std::getline(names, name, ',');) {
            INFO(name);
            CHECK_THAT(advice_for(name), has_text(group.advice));
            CHECK_THAT(advice_for(in_other_case(name)), has_text(group.advice));
        }
    }
}

} // namespace

TEST_CASE("a program of the first edition's list is refused by the name of its file") {
    check_all(first_edition, by_file);
    check_all(first_edition, [](const std::string& name) { return by_file(name + " (deleted)"); });
}

TEST_CASE("a program of the first edition's list is refused by the name that the kernel cut") {
    check_all(first_edition, by_cut_name);
}

TEST_CASE("a program that the first edition did not list is refused by the name of its file") {
    check_all(second_edition, by_file);
    check_all(second_edition, [](const std::string& name) { return by_file(name + " (deleted)"); });
}

TEST_CASE("a program that the first edition did not list is refused by the name that the kernel cut") {
    check_all(second_edition, by_cut_name);
}

TEST_CASE("a program of Windows is refused by its path, and by its name where the path cannot be read") {
    check_all(windows_programs,
              [](const std::string& name) { return advice(name, "C:\\Program Files\\Vendor\\" + name); });
    check_all(windows_programs, [](const std::string& name) { return advice(name, ""); });
}

TEST_CASE("the port stands in the advice for a forwarded port") {
    CHECK_THAT(by_file("docker-proxy"), has_text("publish=8080"));
}

TEST_CASE("a shell is refused only with a terminal") {
    for (const char* name : {"sh", "bash", "dash", "zsh", "fish", "ksh", "ksh93", "mksh", "tcsh", "csh", "pwsh", "ash",
                             "cmd.exe", "powershell.exe", "BASH", "Cmd.exe"}) {
        INFO(name);
        CHECK_THAT(advice("worker", std::string("/bin/") + name, "", true), has_text("shell with a terminal"));
        CHECK_THAT(advice(name, "", "", true), has_text("shell with a terminal"));
        CHECK(advice("worker", std::string("/bin/") + name).empty());
        CHECK(advice(name, "").empty());
    }
}

TEST_CASE("the kernel of a notebook is refused by its arguments") {
    for (const char* line : {"python3 -m ipykernel_launcher -f kernel.json", "python -m ipykernel -f kernel.json",
                             "/opt/conda/bin/python3.11 -Xfrozen_modules=off -m ipykernel_launcher"}) {
        INFO(line);
        CHECK_THAT(advice("python3", "/usr/bin/python3", line), has_text("notebook"));
    }
    for (const char* line : {"python3 -m http.server", "python3 kernel.py", "python3 -m ipython_server"}) {
        INFO(line);
        CHECK(advice("python3", "/usr/bin/python3", line).empty());
    }
}

TEST_CASE("no ordinary server is refused") {
    for (const std::string name :
         {"nginx", "node", "java", "python3", "httpd", "api", "server", "app", "main", "a.out", "test", "demo",
          "gateway", "proxy", "relay", "index",
          // They begin as a protected name does, or have one inside.
          "code-server-metrics", "screenplay", "vimeo", "ideas", "idea-backend", "vimeo-proxy", "brave-api", "tmux-web",
          "codec", "foothold", "xenon", "cursor-api", "electron-api", "zedis", "adbd", "Xvnc-metrics", "my-chrome",
          "kubectl-api", "evince-api", "dockerish", "sshx", "shop", "bash-api", "pm2-web"}) {
        INFO(name);
        for (const std::string& spelled : {name, in_other_case(name)}) {
            for (const bool has_terminal : {false, true}) {
                CHECK(advice(spelled.substr(0, 15), "/srv/" + spelled, "./" + spelled + " --port 8080", has_terminal)
                          .empty());
                CHECK(advice(spelled.substr(0, 15), "", "", has_terminal).empty());
            }
            CHECK(advice(spelled + ".exe", "C:\\srv\\" + spelled + ".exe").empty());
        }
    }
}
