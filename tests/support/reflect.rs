//! What naga reads from a kernel's source.

use wgpu::naga::front::wgsl;
use wgpu::naga::valid::{
    Capabilities, ShaderStages, SubgroupOperationSet, ValidationFlags, Validator,
};
use wgpu::naga::{
    AddressSpace, EntryPoint, GlobalVariable, Module, StorageAccess, Type, TypeInner,
};
use wgrad::__internal::kernel::{Access, Kernel};

/// A parsed and validated kernel.
pub struct Reflection {
    pub module: Module,
}

/// A member of a struct: name, offset and size in bytes, type.
pub struct Member<'a> {
    pub name: &'a str,
    pub offset: u32,
    pub bytes: u32,
    pub ty: &'a Type,
}

impl Reflection {
    /// Fails the test unless the kernel is valid WGSL, without any capability but those it names.
    pub fn of(kernel: &Kernel) -> Self {
        let subgroups = kernel.features().contains(wgpu::Features::SUBGROUP);
        let capabilities = if subgroups { Capabilities::SUBGROUP } else { Capabilities::empty() };
        Self { module: validated(&kernel.label, &kernel.source(), capabilities) }
    }

    pub fn entry_points(&self) -> &[EntryPoint] {
        &self.module.entry_points
    }

    fn globals(&self) -> impl Iterator<Item = &GlobalVariable> {
        self.module.global_variables.iter().map(|(_, global)| global)
    }

    fn size(&self, ty: &Type) -> u32 {
        ty.inner.size(self.module.to_ctx())
    }

    /// The storage bindings of group 0 by number: number, name, access.
    pub fn storage(&self) -> Vec<(u32, &str, Access)> {
        let of = |global: &'_ GlobalVariable| {
            let AddressSpace::Storage { access } = global.space else { return None };
            let written = access.contains(StorageAccess::STORE);
            let access = if written { Access::ReadWrite } else { Access::Read };
            Some((number(global), access))
        };
        let mut bindings: Vec<_> = self
            .globals()
            .filter_map(|global| {
                of(global).map(|(at, access)| (at, global.name.as_deref().unwrap_or(""), access))
            })
            .collect();
        bindings.sort_by_key(|binding| binding.0);
        bindings
    }

    /// The uniform bindings: number, name, type.
    pub fn uniforms(&self) -> Vec<(u32, &str, &Type)> {
        self.globals()
            .filter(|global| global.space == AddressSpace::Uniform)
            .map(|global| (number(global), global.name.as_deref().unwrap_or(""), self.ty(global)))
            .collect()
    }

    fn ty(&self, global: &GlobalVariable) -> &Type {
        &self.module.types[global.ty]
    }

    /// The bytes of workgroup memory.
    pub fn workgroup_bytes(&self) -> u32 {
        self.globals()
            .filter(|global| global.space == AddressSpace::WorkGroup)
            .map(|global| self.size(self.ty(global)))
            .sum()
    }

    /// The struct of this name, if the kernel declares one.
    pub fn named(&self, name: &str) -> Option<&Type> {
        self.module.types.iter().map(|(_, ty)| ty).find(|ty| ty.name.as_deref() == Some(name))
    }

    /// The members of a struct.
    pub fn members<'a>(&'a self, ty: &'a Type) -> Vec<Member<'a>> {
        let TypeInner::Struct { members, .. } = &ty.inner else {
            panic!("{:?} is no struct", ty.name)
        };
        members
            .iter()
            .map(|member| {
                let ty = &self.module.types[member.ty];
                let name = member.name.as_deref().unwrap_or_default();
                Member { name, offset: member.offset, bytes: self.size(ty), ty }
            })
            .collect()
    }

    /// The size of a struct in bytes.
    pub fn span(&self, ty: &Type) -> u32 {
        self.size(ty)
    }

    /// The distance of an array's elements in bytes.
    pub fn stride(&self, ty: &Type) -> u32 {
        let TypeInner::Array { stride, .. } = ty.inner else { panic!("{:?} is no array", ty.name) };
        stride
    }
}

/// Parses a source. Fails the test unless it is valid, also in that no barrier depends on what may differ between
/// invocations.
pub fn validated(label: &str, source: &str, capabilities: Capabilities) -> Module {
    let module = wgsl::parse_str(source)
        .unwrap_or_else(|error| panic!("{label}: {}", error.emit_to_string(source)));
    let mut validator = Validator::new(ValidationFlags::all(), capabilities);
    validator.subgroup_stages(ShaderStages::COMPUTE);
    validator.subgroup_operations(SubgroupOperationSet::all());
    if let Err(error) = validator.validate(&module) {
        panic!("{label}: {}", error.emit_to_string(source));
    }
    module
}

/// The number of a binding, which must be in group 0.
fn number(global: &GlobalVariable) -> u32 {
    let binding = global.binding.expect("a resource has a binding");
    assert_eq!(binding.group, 0);
    binding.binding
}
