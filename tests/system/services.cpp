// Services and containers are stopped by their managers. The advice names the right one.

#include "real.hpp"

namespace {

// A holder in a control group of the test's own. It exits before the group is removed.
class Member {
public:
    explicit Member(const std::string& path)
        : group_(path), holder_({"listen=127.0.0.1:0"}), is_in_group_(group_.take(holder_.pid())) {}
    Member(const Member&) = delete;
    ~Member() {
        holder_.process().signal(SIGKILL);
        CHECK(holder_.process().exits_within(5000));
    }
    [[nodiscard]] const Helper& holder() const { return holder_; }
    [[nodiscard]] bool is_in_group() const { return is_in_group_; }

private:
    Group group_;
    Helper holder_;
    bool is_in_group_;
};

#define NEEDS_GROUP(taken)                                                                                             \
    if (!(taken)) { SKIP_HERE("needs a hierarchy of control groups that can be written"); }

} // namespace

TEST_CASE("a holder of another service or container lives, and its manager is named") {
    NEEDS_ROOT();
    const std::pair<const char*, const char*> groups[] = {
        {"/web.slice/shop.service", "systemctl stop shop.service"},
        {"/runtime.slice/x.service", "systemctl stop x.service"},
        {"/web.slice/web-a.slice/shop@1.service/worker", "systemctl stop shop@1.service"},
        {"/openrc.nginx", "rc-service nginx stop"},
        {"/rc/nginx", "rc-service nginx stop"},
        {"/openrc.nginx/worker", "rc-service nginx stop"},
        {"/lxc/box", "it runs in a container"},
        {"/lxc.payload.box/init.scope", "it runs in a container"},
        {"/docker/0123456789abcdef/worker", "docker stop"},
        {"/system.slice/addr-in-use-docker.service", "systemctl stop addr-in-use-docker.service"},
        {"/system.slice/addr-in-use-containerd.service", "systemctl stop addr-in-use-containerd.service"},
        {"/system.slice/cri-containerd-0123.scope", "it runs in a container"},
        {"/system.slice/addr-in-use-containerd.service/kubepods-pod1.slice:cri-containerd:0123",
         "it runs in a container"},
    };
    for (const auto& [path, advice] : groups) {
        INFO(path);
        const Member member(path);
        NEEDS_GROUP(member.is_in_group());
        const Started started = start_at("127.0.0.1", member.holder().port());
        CHECK_FALSE(started.serves);
        CHECK(started.recovery.obstacle == Obstacle::refused_holder);
        CHECK_THAT(started.reason(), has_text(advice));
        CHECK(member.holder().alive());
    }
}

TEST_CASE("for a unit that hosts processes of others the advice names the process, not the unit") {
    NEEDS_ROOT();
    for (const char* unit : {"cron", "ssh", "sshd", "actions.runner.shop.box", "jenkins"}) {
        INFO(unit);
        const Member member("/system.slice/" + std::string(unit) + ".service");
        NEEDS_GROUP(member.is_in_group());
        const Started started = start_at("127.0.0.1", member.holder().port());
        CHECK_FALSE(started.serves);
        CHECK_THAT(started.reason(), has_text("kill " + std::to_string(member.holder().pid())));
        CHECK_THAT(describe(started.recovery), !has_text("systemctl"));
        CHECK(member.holder().alive());
    }
}

TEST_CASE("a holder in a session of a person or in a scope is terminated") {
    NEEDS_ROOT();
    for (const char* path : {"/user.slice/user-1000.slice/user@1000.service/app.slice/app-x.service",
                             "/user.slice/user-1000.slice/user@1000.service/init.scope",
                             "/user.slice/user-1000.slice/session-3.scope", "/system.slice/addr-in-use-shop.scope"}) {
        INFO(path);
        const Member member(path);
        NEEDS_GROUP(member.is_in_group());
        CHECK(start_at("127.0.0.1", member.holder().port()).serves);
        CHECK_FALSE(member.holder().alive());
    }
}

TEST_CASE("a holder in a container beside ours lives, and one in our container is terminated") {
    NEEDS_ROOT();
    const std::string pod = "/addr-in-use-pod";
    const std::pair<std::string, const char*> groups[] = {
        {pod + "/ours", "served"},
        {pod + "/ours/worker", "served"},
        {pod + "/other", "it runs in a container"},
        {pod + "/other/worker", "it runs in a container"},
        {"/addr-in-use-other-pod/box", "it runs in a container"},
    };
    const Group ours(pod + "/ours");
    for (const auto& [path, expected] : groups) {
        INFO(path);
        const Member member(path);
        NEEDS_GROUP(member.is_in_group());
        // In a namespace of our own the group beside ours is "/../other".
        const std::string outcome = in_child(0, [&] {
            if (!ours.take(static_cast<std::uint32_t>(::getpid()))) { return std::string("no group"); }
            if (::unshare(CLONE_NEWCGROUP) != 0) { return std::string("no namespace"); }
            const Started started = start_at("127.0.0.1", member.holder().port());
            return started.serves ? "served" : "refused: " + started.reason();
        });
        if (outcome == "no namespace") { SKIP_HERE("needs namespaces of control groups"); }
        CHECK_THAT(outcome, has_text(expected));
        CHECK(member.holder().alive() == (outcome != "served"));
    }
}
