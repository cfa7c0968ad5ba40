# What the Vagrantfile knows of the lab: its settings, its machines, and the files that they are provisioned with.
require "digest"
require "fileutils"
require "json"
require "open3"
require "yaml"

module PathproofLab
  ROOT = File.expand_path("..", __dir__)
  SETTINGS_FILE = File.join(__dir__, "lab.yaml")
  # These make or provision machines; for all others the files of the last time do.
  PREPARED_COMMANDS = %w[up provision reload].freeze
  # Addresses: the fabric's prefix and the node's number, as in src/lab/qemu/network.ts (vagrant/lab.test.ts compares them).
  PREFIXES = { "a" => "192.0.2", "b" => "198.51.100" }.freeze
  NUMBER_BASES = { "ceph" => 9, "gw" => 100, "host" => 200 }.freeze
  # Containers, and what manages them, on top of the daemons (MB).
  CEPHADM_MEMORY_MIN = { "ceph" => 3072, "gateway" => 1536, "host" => 0 }.freeze
  # SPDK's huge pages.
  CEPH_NVMEOF_MEMORY_MIN = 8192

  Machine = Struct.new(:name, :kind, :memory, :cpus, keyword_init: true) do
    def number
      kind_name, index = name.match(/\A([a-z]+)(\d*)\z/).captures
      NUMBER_BASES.fetch(kind_name) + (index.empty? ? 1 : index.to_i)
    end

    def mac(fabric)
      format("52:54:00:00:%s:%02x", { "a" => "fa", "b" => "fb" }.fetch(fabric), number)
    end
  end

  class << self
    def settings
      @settings ||= of_plan(overridden(YAML.safe_load(File.read(SETTINGS_FILE)), "LAB"))
    end

    def accel
      return settings["accel"] unless settings["accel"] == "auto"

      File.writable?("/dev/kvm") ? "kvm" : "tcg"
    end

    def boot_timeout
      return settings["boot_timeout"] if settings["boot_timeout"].positive?

      accel == "tcg" ? 1800 : 300
    end

    def cephadm?
      settings["flavour"] == "cephadm"
    end

    # cephadm gives an OSD a whole disk.
    def osd_disk?(machine)
      cephadm? && machine.kind == "ceph"
    end

    def osd_gb
      8
    end

    def fabrics
      %w[a b].first(settings["fabrics"])
    end

    def machines
      [machine("ceph", "ceph")] +
        (1..settings["gateways"]).map { |i| machine("gw#{i}", "gateway") } +
        (1..settings["hosts"]).map { |i| machine("host#{i}", "host") }
    end

    def address(fabric, machine)
      "#{PREFIXES.fetch(fabric)}.#{machine.number}"
    end

    # Networks of libvirt belong to the whole machine: two checkouts must not share them.
    def prefix
      "pathproof-#{Digest::SHA256.hexdigest(state_dir)[0, 6]}"
    end

    def state_dir
      File.join(File.expand_path(ENV["VAGRANT_DOTFILE_PATH"] || ".vagrant", ROOT), "pathproof")
    end

    def bundle(machine)
      path = File.join(state_dir, "#{machine.name}.tar")
      unless File.exist?(path)
        # Vagrant checks that it is there whatever the command is.
        FileUtils.mkdir_p(state_dir)
        FileUtils.touch(path)
      end
      path
    end

    def box
      return { "name" => settings["box"], "url" => settings["box_url"], "version" => settings["box_version"] } unless settings["box"] == "local"

      @prepared || saved_box || { "name" => cephadm? ? "pathproof/cephadm" : "pathproof/lab", "url" => "", "version" => "" }
    end

    # For the kernel of the local box, which looks for it in SMBIOS; never empty, as GRUB stops at what is missing.
    def kernel_option
      option = box["option"]
      option.nil? || option.empty? ? "pathproof.accel=#{accel}" : option
    end

    # Builds the box and the files for each machine, once per command: Vagrant reads the Vagrantfile several times.
    def prepare
      return if @prepared || (ARGV & PREPARED_COMMANDS).empty?

      raise "pathproof: node_modules is missing: run `npm ci` in #{ROOT} first" unless Dir.exist?(File.join(ROOT, "node_modules", "tsx"))

      input = JSON.generate(settings.merge("accel" => accel, "state_dir" => state_dir))
      output, status = Open3.capture2("node", "--import", "tsx", File.join(__dir__, "prepare.ts"), stdin_data: input, chdir: ROOT)
      raise "pathproof: preparing the lab failed (see above)" unless status.success?

      @prepared = JSON.parse(output.lines.last)
    end

    private

    def machine(name, kind)
      Machine.new(name: name, kind: kind, memory: memory(kind), cpus: cpus(kind))
    end

    def memory(kind)
      return settings["memory"][kind] unless cephadm?

      least = kind == "gateway" && settings["images"] == "registry" ? CEPH_NVMEOF_MEMORY_MIN : CEPHADM_MEMORY_MIN.fetch(kind)
      [settings["memory"][kind], least].max
    end

    # Emulated processors that patch code which another one runs can panic a kernel at boot; the host alone needs two (lab.yaml).
    def cpus(kind)
      accel == "tcg" && kind != "host" && !(cephadm? && kind == "ceph") ? 1 : settings["cpus"][kind]
    end

    def saved_box
      JSON.parse(File.read(File.join(state_dir, "box.json")))
    rescue Errno::ENOENT
      nil
    end

    # The shape of a plan's lab in place of the one that is set.
    def of_plan(settings)
      return settings if settings["plan"].empty?

      path = File.expand_path(settings["plan"], ROOT)
      plan = JSON.parse(File.read(path))
      raise "pathproof: #{path} is no plan for a lab of machines" unless plan.dig("platform", "machines")

      shape = plan.fetch("shape")
      settings.merge("plan" => path, "fabrics" => plan["platform"]["fabrics"], "gateways" => shape["gateways"], "hosts" => shape.fetch("hosts", 1), "namespaces" => shape["namespaces"], "ana_groups" => shape["anaGroups"])
    rescue SystemCallError, JSON::ParserError => e
      raise "pathproof: LAB_PLAN: #{e.message}"
    end

    def overridden(value, name)
      return value.to_h { |key, inner| [key, overridden(inner, "#{name}_#{key.upcase}")] } if value.is_a?(Hash)

      text = ENV[name]
      return value if text.nil? || text.empty?
      return text unless value.is_a?(Integer)

      Integer(text, 10)
    rescue ArgumentError
      raise "pathproof: #{name} must be a whole number, not #{text.inspect}"
    end
  end
end
